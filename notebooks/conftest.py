"""Settings for `pytest --nbval` that pyproject.toml cannot express."""

from pathlib import Path

from tests.lesson_kernel import ROOT, prepare_environment


def pytest_configure(config):
    prepare_environment()
    # nbval reads the path of the sanitize file from the current folder; pyproject.toml means the
    # root.
    sanitize = config.option.nbval_sanitize_with
    if sanitize and not Path(sanitize).exists():
        config.option.nbval_sanitize_with = str(ROOT / sanitize)
