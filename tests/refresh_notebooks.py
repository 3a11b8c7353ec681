"""Re-execute the lessons in order and save them clean: `python -m tests.refresh_notebooks [PATH
...]`.

Each lesson runs from the top in a fresh kernel of this environment. What is random or belongs to
one machine is dropped before it is saved, and the picture of a measurement is kept as it was, so a
second run leaves no difference. A cell that fails stops everything; its notebook is left as it was.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager

from tests.lesson_kernel import prepare_environment
from tests.notebook_files import WIDGET_VIEW, lessons

CELL_SECONDS = 600
# The same for every reader; an editor that opens the notebook fills in its own details.
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# Written into cells by editors and clients: times, trust, how far an output is scrolled.
PASSING_METADATA = ("execution", "ExecuteTime", "trusted", "scrolled", "collapsed")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run `notebook` in place, in a fresh kernel of this environment that starts in `folder`."""
    kernels = NbvalKernelspecManager()
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=kernels),
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(folder)}},
        coalesce_streams=True,
        record_timing=False,
        store_widget_state=False,
    )
    client.execute(stderr=subprocess.DEVNULL)  # what a cell writes to stderr is an output, not this


def clean(notebook: nbformat.NotebookNode) -> None:
    """Drop, in place, what differs between two runs or two machines; ids, tags and static faces
    stay.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        for key in PASSING_METADATA:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _keep(output)]


def _keep(output: nbformat.NotebookNode) -> bool:
    """Whether `output` still shows something once the live widget, whose id is random, is taken out
    of it.
    """
    if "data" not in output:
        return True
    output.data.pop(WIDGET_VIEW, None)
    return bool(output.data)


def keep_measured(notebook: nbformat.NotebookNode, saved: nbformat.NotebookNode) -> None:
    """Put back, in place, the saved pictures of cells tagged `measured` whose source is as it was.

    They show times, which differ at each run. To draw such a picture anew, clear the outputs of its
    cell."""
    before = {cell.id: cell for cell in saved.cells if "measured" in cell.metadata.get("tags", [])}
    for cell in notebook.cells:
        old = before.get(cell.id)
        if old is None or old.source != cell.source or len(old.outputs) != len(cell.outputs):
            continue
        for output, picture in zip(cell.outputs, old.outputs, strict=True):
            if "image/png" in output.get("data", {}) and "image/png" in picture.get("data", {}):
                output.data["image/png"] = picture.data["image/png"]
                output.metadata = picture.metadata  # words in place of the picture tell times, too


def save(notebook: nbformat.NotebookNode, path: Path) -> bool:
    """Write `notebook` to `path` if its bytes differ, all at once or not at all; True if it was
    written.
    """
    nbformat.validate(notebook)
    content = (nbformat.writes(notebook).rstrip("\n") + "\n").encode()
    if path.read_bytes() == content:
        return False
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, path.stat().st_mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def refresh(path: Path) -> bool:
    """Execute, clean and save the notebook at `path`; True if the file changed."""
    notebook, saved = (nbformat.read(path, as_version=4) for _ in range(2))
    execute(notebook, path.parent)
    clean(notebook)
    keep_measured(notebook, saved)
    return save(notebook, path)


def main(arguments: list[str]) -> int:
    prepare_environment()
    paths = [Path(argument).resolve() for argument in arguments] or lessons()
    for path in paths:
        try:
            changed = refresh(path)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            words = _COLOURS.sub("", str(error)).rstrip()
            print(f"{path.name}: stopped, the file is left as it was\n{words}", file=sys.stderr)
            return 1
        except (FileNotFoundError, nbformat.ValidationError, nbformat.reader.NotJSONError) as error:
            print(f"{path.name}: not a notebook that can be read: {error}", file=sys.stderr)
            return 1
        print(f"{path.name}: {'written' if changed else 'unchanged'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
