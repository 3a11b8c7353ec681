"""The map of memory: what shares with what, as torch says; what is new, moved, changed and gone;
and that nothing is kept alive or touched for it.
"""

from __future__ import annotations

import copy
import gc
import json
import weakref
from collections import Counter, OrderedDict
from itertools import combinations, product

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing._internal.two_tensor import TwoTensor

from helpers import MemoryMap
from helpers.state.memory_film import MOST_NAMES, MOST_NEW
from helpers.state.reach import names
from helpers.views.memory_map import said
from tests.html_page import Page
from tests.modules import Hostile, HostileModule, fingerprint, modules, reader, untouched

HOSTILE = "<img src=x onerror='alert(1)'>\n\u202e"


def part(film: MemoryMap, name: str, frame: int = -1):
    """What the name has of its block."""
    one = film.frames[frame].names[name]
    return film.frames[frame].blocks[one.block].parts[one.part]


def news(film: MemoryMap) -> str:
    return said(film.frames[-1], film.frames[-2])


# --- what shares with what ---


VIEWS = {
    "slice": lambda t: t[1:],
    "head": lambda t: t[:1],
    "column": lambda t: t[..., 0],
    "every second": lambda t: t[::2],
    "turned": lambda t: t.transpose(0, -1),
    "flat": lambda t: t.detach().reshape(-1),
    "bits": lambda t: t.view(torch.int32),
    "wider": lambda t: t.expand(2, *t.shape),
    "parameter": lambda t: nn.Parameter(t.detach(), requires_grad=False),
    "diagonal": lambda t: t.diagonal() if t.dim() > 1 else t,
    "copy": torch.clone,
    "deep": copy.deepcopy,
    "double": lambda t: t.double(),
    "numpy": lambda t: torch.from_numpy(t.detach().numpy()[1:]),
}
MAKES = st.lists(st.tuples(st.integers(0, 20), st.sampled_from(sorted(VIEWS))), max_size=12)


def derived(makes: list[tuple[int, str]]) -> list[torch.Tensor]:
    """Tensors of which each is made from one before it, as far as torch can."""
    found = [torch.arange(12.0).reshape(3, 4), torch.zeros(5)]
    for at, make in makes:
        source = found[at % len(found)]
        if source.dim():
            try:
                found.append(VIEWS[make](source))
            except (RuntimeError, IndexError):  # such as bits of every second number
                continue
    return found


def addresses(tensor: torch.Tensor) -> list[int]:
    """Where each element begins, as torch says of it alone, in the order in which they are read."""
    return [tensor[at].data_ptr() for at in product(*map(range, tensor.shape))]


def memories(tensors: list[torch.Tensor]) -> list[int]:
    """A number for each tensor, alike for two whose storages have a byte in common, or are one, or
    have bytes in common with those of a third.
    """
    numbers = list(range(len(tensors)))
    storages = [tensor.untyped_storage() for tensor in tensors]
    for i, k in combinations(range(len(tensors)), 2):
        one, other = storages[i], storages[k]
        begin, start = one.data_ptr(), other.data_ptr()
        end = min(begin + one.nbytes(), start + other.nbytes())
        if one._cdata == other._cdata or max(begin, start) < end:
            numbers = [numbers[i] if number == numbers[k] else number for number in numbers]
    return numbers


@settings(max_examples=100, deadline=None)
@example([(0, "numpy"), (2, "every second"), (3, "numpy")])  # the last one has no byte
@example([(0, "head"), (14, "turned"), (0, "numpy"), (3, "numpy")])  # two parts of one memory
@given(MAKES)
def test_two_names_share_a_block_and_a_part_if_torch_says_so_of_the_bytes(makes):
    tensors = derived(makes)
    film = MemoryMap(parts=tensors)
    assert list(film.frames[0].names) == [f"parts[{at}]" for at in range(len(tensors))]
    together = memories(tensors)
    for i, k in combinations(range(len(tensors)), 2):
        same = together[i] == together[k]
        assert (film.block(f"parts[{i}]") == film.block(f"parts[{k}]")) == same, (i, k)
        if tensors[i].numel() and tensors[k].numel():
            same = addresses(tensors[i]) == addresses(tensors[k])
            same = same and tensors[i].dtype == tensors[k].dtype
            names = [film.frames[0].names[f"parts[{at}]"] for at in (i, k)]
            places = [(one.block, one.part) for one in names]
            assert (places[0] == places[1]) == same, (i, k)


@settings(max_examples=60, deadline=None)
@given(MAKES)
def test_a_part_has_the_bytes_that_torch_gives_its_elements(makes):
    tensors = derived(makes)
    film = MemoryMap(parts=tensors)
    begins: dict[str, int] = {}
    for at, tensor in enumerate(tensors):
        letter, begin = film.block(f"parts[{at}]"), tensor.untyped_storage().data_ptr()
        begins[letter] = min(begin, begins.get(letter, begin))
    for at, tensor in enumerate(tensors):
        found, item = part(film, f"parts[{at}]"), tensor.element_size()
        assert found.count == tensor.numel() and found.dtype == tensor.dtype
        if not tensor.numel():
            continue
        elements = [one - begins[film.block(f"parts[{at}]")] for one in addresses(tensor)]
        assert (found.first, found.last) == (min(elements), max(elements) + item - 1)
        every = {byte for one in elements for byte in range(one, one + item)}
        assert found.dense == (len(every) == found.last - found.first + 1)


def test_a_storage_that_lies_over_two_blocks_makes_one_of_them_all():
    array = np.zeros(8, dtype=np.float32)
    left, right = torch.from_numpy(array[:4]), torch.from_numpy(array[4:])
    film = MemoryMap(left=left, right=right)
    assert film.block("left") != film.block("right")
    whole = torch.from_numpy(array)
    film.note("the whole", whole=whole)
    assert {film.block(one) for one in ("left", "right", "whole")} == {"A"}
    assert (part(film, "right").first, part(film, "whole").last) == (16, 31)


def test_every_name_is_an_expression_that_leads_to_the_tensor():
    model = nn.Module()
    model.layer, model.again = nn.Linear(2, 3), nn.BatchNorm1d(3)
    model.tied, model.loose = model.layer, [torch.ones(2), {"k": torch.ones(1)}]
    optimizer = torch.optim.Adam(
        [{"params": [model.again.bias]}, {"params": model.layer.parameters()}]
    )
    model.layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    saved, whole = model.state_dict(), {"model": model, "step": 3, "list": (model.layer.bias,)}
    model.hidden = [nn.Linear(1, 1)]  # where torch does not look
    film = MemoryMap(model=model, optimizer=optimizer)
    film.note("saved", saved=saved, whole=whole)
    assert not film.frames[0].more and not film.frames[1].more
    space = {"model": model, "optimizer": optimizer, "saved": saved, "whole": whole}
    places = {}
    for name in film.frames[-1].names:
        if name.startswith("whole['model']."):
            name = name.replace("whole['model']", "model")
        places[name] = eval(name, space).untyped_storage().data_ptr()
    for one, other in combinations([n for n in places if n in film.frames[-1].names], 2):
        assert (film.block(one) == film.block(other)) == (places[one] == places[other])
    assert "model.hidden[0].weight" in places
    assert "model.loose[1]['k']" in places and "model.tied.weight" in places
    assert "optimizer.param_groups[1]['params'][1]" in places
    assert "optimizer.state_dict()['state'][2]['exp_avg']" in places


def test_a_name_has_the_kind_of_its_state():
    model = reader()
    model.cache, model.alias = torch.ones(1), [model.embed.weight]
    model.register_buffer("scratch", torch.zeros(1), persistent=False)
    film = MemoryMap(model=model, saved=model.state_dict())
    kinds = {name: one.kind for name, one in film.frames[0].names.items()}
    assert (
        kinds["model.head.weight"] == "parameter" and kinds["model.norm.running_mean"] == "buffer"
    )
    assert kinds["model.scratch"] == "non-persistent buffer"
    assert kinds["model.cache"] == kinds["model.alias[0]"] == "plain tensor"
    assert kinds["saved['head.weight']"] == "plain tensor"
    assert film.block("model.alias[0]") == film.block("model.head.weight")


def test_a_name_that_is_in_no_module_has_the_kind_of_its_tensor():
    model = nn.Linear(2, 2)
    optimizer = torch.optim.Adam([*model.parameters(), torch.ones(1, requires_grad=True)])
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    named, kept = dict(model.named_parameters()), model.state_dict(keep_vars=True)
    labelled = nn.Parameter(torch.ones(2).as_subclass(type("Labelled", (torch.Tensor,), {})))
    film = MemoryMap(
        optimizer=optimizer, named=named, kept=kept, labelled=labelled, saved=model.state_dict()
    )
    kinds = {name: one.kind for name, one in film.frames[0].names.items()}
    assert {name for name, kind in kinds.items() if kind == "plain tensor"} == {
        "optimizer.param_groups[0]['params'][2]",
        "optimizer.state_dict()['state'][0]['exp_avg']",
        "optimizer.state_dict()['state'][0]['exp_avg_sq']",
        "optimizer.state_dict()['state'][1]['exp_avg']",
        "optimizer.state_dict()['state'][1]['exp_avg_sq']",
        "saved['weight']",
        "saved['bias']",
    }
    assert set(kinds.values()) == {"plain tensor", "parameter"}


def test_names_with_the_same_words_are_numbered_and_none_is_left_out():
    model, long = nn.Linear(2, 2), "k" * 400
    ema = {one: one.detach().clone() for one in model.parameters()}
    deep = {long + "a": torch.ones(1), long + "b": torch.ones(1)}
    object.__setattr__(model, "weight", ema[model.weight])  # it hides the parameter
    film = MemoryMap(ema=ema, deep=deep, **{"ema[Parameter] (2)": model.bias}, model=model)
    film.note("again")
    assert len(film.frames[0].names) == 8 and not film.frames[0].more
    shown = list(film.frames[0].names)
    assert shown[:2] == ["ema[Parameter]", "ema[Parameter] (2)"]
    assert shown[3] == f"{shown[2]} (2)" and shown[4] == "ema[Parameter] (2) (2)"
    assert {one for one in shown[5:] if "weight" in one} == {"model.weight", "model.weight (2)"}
    assert film.block("ema[Parameter] (2) (2)") == film.block("model.bias")
    assert film.block("ema[Parameter]") != film.block("ema[Parameter] (2)")
    assert film.block("ema[Parameter]") in (
        film.block("model.weight"),
        film.block("model.weight (2)"),
    )
    assert news(film) == "no change seen" and len(set(film.film["names"])) == 8


# --- through time ---


def test_a_step_changes_the_numbers_under_both_names_and_a_copy_stands_apart():
    model = nn.Linear(2, 2)
    saved = model.state_dict()
    best = copy.deepcopy(saved)
    film = MemoryMap(model=model, saved=saved, best=best)
    with torch.no_grad():
        model.weight[0, 1] = 7
    film.note("written")
    assert (
        film.block("model.weight") == film.block("saved['weight']") != film.block("best['weight']")
    )
    assert film.block("model.weight", 0) == film.block("model.weight", 1)
    for name in ("model.weight", "saved['weight']"):
        assert part(film, name).changed == (1,) and part(film, name).numbers[1] == "7"
    assert not part(film, "best['weight']").touched and not part(film, "model.bias").touched
    assert news(film) == f"other numbers in {film.block('model.weight')}"


def test_a_change_beyond_the_numbers_shown_and_one_too_small_to_be_shown_are_told():
    table = torch.zeros(1000)
    half = table[500:]
    film = MemoryMap(table=table, half=half)
    table[999] = 1
    film.note("far")
    table[0] = 1e-30
    table[0] = 0
    film.note("back")
    assert [part(film, "table", at).touched for at in range(3)] == [False, True, False]
    assert part(film, "table", 1).changed == () and part(film, "half", 1).touched
    large = torch.zeros(2**24)  # the largest that is read to its end
    film = MemoryMap(large=large)
    large[-1] = 1
    film.note("far")
    assert part(film, "large").touched and part(film, "large").changed == ()
    near = torch.ones(3)
    film = MemoryMap(near=near)
    near += 1e-6
    film.note("a little")
    assert part(film, "near").touched and part(film, "near").numbers == ("1", "1", "1")


@pytest.mark.parametrize("assign", [True, False])
def test_a_load_moves_the_wires_only_with_assign(assign):
    model, saved = nn.Linear(2, 2), nn.Linear(2, 2).state_dict()
    film = MemoryMap(model=model, saved=saved)
    model.load_state_dict(saved, assign=assign)
    film.note("loaded")
    assert (film.block("model.weight") == film.block("saved['weight']")) == assign
    assert ("model.weight from A to C" in news(film)) == assign
    assert ("freed: A, B" in news(film)) == assign
    assert ("other numbers in A, B" in news(film)) != assign


def test_memory_that_no_name_reaches_is_freed_or_kept_by_something_else():
    model = nn.Linear(2, 2, bias=False)
    film = MemoryMap(model=model)
    kept = model.weight.detach()
    model.weight = nn.Parameter(torch.zeros(2, 2))
    film.note("another")
    assert film.frames[-1].blocks["A"].state == "unreached" and film.block("model.weight") == "B"
    del kept
    film.note("let go")
    assert film.frames[-1].blocks["A"].state == "freed"
    assert news(film) == "freed: A"
    model.weight = nn.Parameter(torch.ones(2, 2))  # most likely where A was
    film.note("a third")
    assert film.block("model.weight") == "C"
    film.note("no more")
    assert news(film) == "no change seen"


def test_a_frame_without_news_claims_no_more_than_was_looked_at():
    turned, layer = torch.ones(2, 3), nn.Linear(2, 2)
    film = MemoryMap(turned=turned, layer=layer)
    turned.t_()
    layer.weight = nn.Parameter(layer.weight.detach())  # another object, the same memory
    film.note("two changes")
    assert news(film) == "no change seen"


def test_of_what_is_not_read_to_the_end_the_frame_says_so():
    large, loud, small = torch.zeros(2**24 + 1), torch.ones(2).as_subclass(Loud), torch.ones(2)
    nothing = [torch.ones(0), torch.ones(2, device="meta"), torch.ones(1).expand(2**25)]
    film = MemoryMap(large=large, loud=loud, small=small, nothing=nothing)
    large[-1] = 1
    film.note("far")
    assert news(film) == "no change seen, not read to the end: A, B"
    small[0] = 5
    film.note("near")
    assert news(film) == "other numbers in C, not read to the end: A, B"


READINGS = {
    "itself": lambda t: t,
    "turned": lambda t: t.t(),
    "conjugate": torch.conj,
    "adjoint": lambda t: t.t().conj(),
    "imaginary": lambda t: t.imag,
    "negated": lambda t: t.conj().imag,
    "negated and turned": lambda t: t.conj().imag.t(),
    "wide": lambda t: t[:, None].expand(2, 3, 3),
    "windows": lambda t: torch.view_as_real(t.flatten()).unfold(0, 4, 2),
    "narrow": lambda t: t.conj()[1:, 1:],
    "bits": lambda t: torch.view_as_real(t).view(torch.int32),
}


@pytest.mark.parametrize("kept", READINGS)
def test_whatever_reads_the_bytes_a_name_has_its_own_numbers_and_every_write_is_seen(kept):
    base = torch.complex(torch.arange(6.0), torch.arange(1.0, 7)).reshape(2, 3)
    held = {name: read(base) for name, read in READINGS.items()}
    film = MemoryMap(held=held)
    for name, tensor in held.items():
        first = [str(one) for one in tensor.flatten().tolist()[:4]]
        numbers = part(film, f"held[{name!r}]").numbers
        assert [complex(one) for one in numbers] == [complex(one) for one in first], name
    held = {kept: held.pop(kept)}
    film.note("one is kept", held=held)
    assert "other numbers" not in news(film)  # nothing was written
    base[1, 2] = 70 + 80j  # the last number
    film.note("written")
    assert news(film) == "other numbers in A"


def test_a_write_is_seen_though_another_name_reads_the_bytes_in_another_way():
    base = torch.zeros(2, 3)
    film = MemoryMap(base=base)
    turned = base.data.t()
    base[1, 2] = 5
    del base
    film.note("turned", turned=turned)
    assert "other numbers in A" in news(film) and part(film, "turned").changed == ()


def test_two_ways_to_read_the_same_bytes_are_told_apart_in_words():
    square = torch.zeros(2, 2, dtype=torch.complex64)
    film = MemoryMap(square=square, turned=square.t(), bar=square.conj(), flat=square.flatten())
    assert Page(film.static_face()).rows[1:] == [
        ["✕square", "A: 0j 0j 0j 0j"],
        ["✕turned", "A: 0j 0j 0j 0jall bytes, not in the order of memory"],
        ["✕bar", "A: -0j -0j -0j -0jall bytes, conjugate"],
        ["✕flat", "A: 0j 0j 0j 0j"],
    ]
    film = MemoryMap(turned=square.t(), alone=square.clone().conj())
    assert "all bytes" not in film.static_face()


def test_looking_makes_no_room_and_no_copy():
    let_go, few, lazy = torch.ones(3), torch.ones(2), torch.ones(3)
    let_go.untyped_storage().resize_(0)
    few.untyped_storage().resize_(4)
    copied = torch._lazy_clone(lazy)
    film = MemoryMap(let_go=let_go, few=few, lazy=lazy, copied=copied)
    film.note("again")
    assert let_go.untyped_storage().nbytes() == 0 and few.untyped_storage().nbytes() == 4
    is_lazy_clone = getattr(torch._C, "_is_cow_tensor", lambda _: True)  # private to torch
    assert is_lazy_clone(lazy) and is_lazy_clone(copied)


def test_dtype_and_device_moves_are_seen():
    model = nn.Linear(2, 2, bias=False)
    film = MemoryMap(model=model)
    model.double()
    film.note("double")
    model.to("meta")
    film.note("meta")
    assert [film.block("model.weight", at) for at in range(3)] == ["A", "B", "C"]
    assert part(film, "model.weight").why == "no numbers: the tensor is on the meta device"


def test_a_source_is_added_or_replaced_by_a_note():
    first, second = nn.Linear(1, 1), nn.Linear(1, 1)
    film = MemoryMap(model=first)
    film.note("the other", model=second, alias=second.weight)
    assert film.block("model.weight") == film.block("alias") == "C"
    assert list(film.frames[-1].names) == ["model.weight", "model.bias", "alias"]


# --- nothing is kept, nothing is touched ---


def test_the_film_keeps_nothing_alive_and_says_what_is_gone():
    model, saved = nn.Linear(2, 2), nn.Linear(2, 2).state_dict()
    loose, optimizer = torch.ones(3), torch.optim.SGD(model.parameters(), lr=1)
    sources = {"model": model, "saved": saved, "loose": loose, "optimizer": optimizer}
    film = MemoryMap(**sources)
    watched = [weakref.ref(one) for one in (*sources.values(), model.weight)]
    sources.clear()
    del model, saved, loose, optimizer
    gc.collect()
    assert [one() for one in watched] == [None] * 5
    film.note("all gone")
    assert film.frames[-1].names == {}
    assert {block.state for block in film.frames[-1].blocks.values()} == {"freed"}
    assert "gone: model.weight, model.bias" in news(film)


@pytest.mark.parametrize("kind", [dict, list, tuple])
def test_a_plain_container_is_held_until_the_first_frame_after_it_is_let_go(kind):
    tensor = torch.ones(2)
    held = {"a": tensor} if kind is dict else kind([tensor])
    film = MemoryMap(held=held)
    film.note("still there")
    assert len(film.frames[-1].names) == 1
    seen = weakref.ref(tensor)
    del held, tensor
    film.note("let go")
    assert film.frames[-1].names == {}
    gc.collect()
    assert seen() is None


def test_a_closed_film_lets_go_and_takes_no_frame():
    held = [torch.ones(2)]
    film, seen = MemoryMap(held=held), weakref.ref(held[0])
    film.close()
    del held
    gc.collect()
    assert seen() is None and film.block("held[0]") == "A"
    with pytest.raises(ValueError, match="closed; make a new one"):
        film.note("too late")


def test_the_model_stays_as_it_was():
    model = reader()
    with untouched(model, "reader"):
        film = MemoryMap(model=model)
        film.note("again")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_of_any_generated_module_each_tensor_is_on_its_block(module):
    before = fingerprint(module)
    film = MemoryMap(m=module)
    film.note("again")
    assert fingerprint(module) == before
    assert "\n" not in repr(film)
    assert Page(film.static_face()).tags
    json.dumps(film.film)
    first, second = film.frames
    assert first.names == second.names and first.more == second.more
    every = list(names(module, "m"))
    times = Counter(one.words for one in every)
    assert len(first.names) + sum(first.more.values()) == len(every)
    blocks: dict[int, str] = {}
    for one in every:  # an attribute may hide a parameter of its name: two tensors, one name
        shown = one.words in first.names and times[one.words] == 1
        if shown and not first.names[one.words].why:
            address = one.tensor.untyped_storage()._cdata
            assert blocks.setdefault(address, film.block(one.words)) == film.block(one.words)
    assert len(set(blocks.values())) == len(blocks)
    film.close()


def test_code_of_a_hostile_module_and_of_hostile_values_never_runs():
    model, own = HostileModule.__new__(HostileModule), nn.Module().__dict__
    own["_modules"]["inner"], own["odd"] = nn.Linear(1, 1), [Hostile(), torch.ones(1)]
    object.__getattribute__(model, "__dict__").update(own)
    before = fingerprint(model)
    film = MemoryMap(model=model, odd=[Hostile()])
    film.note("again")
    assert "model.inner.weight" in film.frames[-1].names
    assert "model.odd[1]" in film.frames[-1].names and fingerprint(model) == before


class Loud(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise AssertionError(function)


def test_a_tensor_class_with_rules_of_its_own_is_not_asked():
    loud = torch.ones(2).as_subclass(Loud)
    film = MemoryMap(loud=loud)
    assert film.block("loud") == "A" and part(film, "loud").why.startswith("no preview")


# --- what has no memory to speak of ---


def test_tensors_without_one_piece_of_memory_say_why():
    with FakeTensorMode():
        fake = torch.ones(2)
    odd = [
        torch.eye(2).to_sparse(),
        fake,
        TwoTensor(torch.ones(2), torch.ones(2)),
        nn.LazyLinear(2).weight,
        torch.ones(2, device="meta"),
        torch.ones(0),
    ]
    film = MemoryMap(odd=odd)
    why = [one.why for one in film.frames[0].names.values()]
    assert why == [
        "layout sparse_coo: no storage",
        "FakeTensor keeps its numbers in its own way",
        "TwoTensor keeps its numbers in its own way",
        "no memory yet: the tensor is lazy",
        "",
        "",
    ]
    assert [film.block(f"odd[{at}]") for at in range(6)] == [None] * 4 + ["A", "B"]
    assert part(film, "odd[5]").why == "no numbers: the tensor is empty"
    for face in (film.static_face(), repr(film), json.dumps(film.film)):
        assert "FakeTensor" in face or "6 names" in face


def test_inside_a_transform_and_under_a_mode_a_frame_is_taken_all_the_same():
    films = []

    def loss(x):
        films.append(MemoryMap(x=x))
        return x.sum()

    torch.func.grad(loss)(torch.ones(2))
    assert films[0].frames[0].names["x"].why == "torch gives no storage of it"
    torch.func.functionalize(loss)(torch.ones(2))  # a storage, and no address of its bytes
    assert films[1].frames[0].names["x"].why == "" and films[1].block("x") == "A"
    model = nn.Linear(2, 2)
    with FakeTensorMode():
        film = MemoryMap(model=model)
    assert film.block("model.weight") == "A"


# --- sizes ---


def test_a_large_model_is_cut_and_the_rest_is_counted_by_source():
    model = nn.Transformer(device="meta", batch_first=True)
    model.encoder.layers[5].norm2.weight = model.encoder.layers[5].norm1.weight
    saved = model.state_dict()
    film = MemoryMap(model=model, saved=saved)
    names = film.frames[0].names
    assert len(names) == MOST_NEW
    assert film.frames[0].more == {"model": 184 - 16, "saved": 184 - 16}
    tied = {"model.encoder.layers.5.norm1.weight", "saved['encoder.layers.5.norm2.weight']"}
    assert tied <= set(names)  # what is shared most comes first
    assert "model: +168 more names" in Page(film.static_face()).words
    for at in range(8):
        film.note(f"copy {at}", **{f"copy{at}": copy.deepcopy(saved)})
    assert set(names) <= set(film.frames[-1].names)
    rows = film.film["names"]
    assert len(rows) == MOST_NAMES and len(json.dumps(film.film)) < 60_000


def test_a_name_that_was_left_out_is_not_told_as_new():
    tensors = [torch.ones(1) for _ in range(MOST_NEW + 2)]
    film = MemoryMap(held=tensors)
    film.note("again")
    assert film.frames[0].names == film.frames[1].names
    assert film.frames[0].more == film.frames[1].more == {"held": 2}
    assert news(film) == "no change seen"
    film.note("the last one", last=tensors[-1])
    assert film.block("last") == film.block(f"held[{MOST_NEW + 1}]") is not None
    assert film.frames[-1].more == {"held": 1}
    assert news(film) == (
        f"left out before: held[{MOST_NEW + 1}] (G2), new names of old memory: last (G2)"
    )


def test_what_stays_is_sent_once():
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(10)))
    saved = model.state_dict()
    film = MemoryMap(model=model, saved=saved)
    for at in range(30):
        with torch.no_grad():
            model[at % 10].weight += 1
        film.note(f"after step {at}")
    assert len(json.dumps(film.film)) < 60_000


def test_the_longest_film_ends_with_words():
    tensor = torch.ones(1)
    film = MemoryMap(x=tensor)
    for at in range(99):
        film.note(str(at))
    assert "94 more frames between" in Page(film.static_face()).words
    with pytest.raises(ValueError, match="100 frames at most"):
        film.note("one more")


def test_what_many_names_do_is_said_in_one_line():
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(6)))
    film = MemoryMap(model=model)
    model.double()
    film.note("double")
    assert news(film) == (
        "model.0.weight from A to M, model.0.bias from B to N and 10 more, "
        "freed: A, B, C, D, E, F, G, H and 4 more"
    )


# --- bad input ---


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (3, "x is 3"),
        (None, "x is None"),
        (nn.Linear, "x is the class Linear; pass an instance"),
        ((one for one in ()), "x is a generator, which is used up by one look"),
        (np.zeros(2), "x is ndarray"),
        (Hostile(), "x is Hostile"),
    ],
    ids=["number", "None", "class", "generator", "array", "hostile"],
)
def test_what_holds_no_tensor_is_refused_by_name(given, words):
    for take in (lambda: MemoryMap(x=given), lambda: MemoryMap(y=[]).note("now", x=given)):
        with pytest.raises(TypeError, match="takes modules, state_dicts") as caught:
            take()
        assert words in str(caught.value)


def test_what_comes_without_a_name_and_a_frame_without_words_are_refused():
    with pytest.raises(TypeError, match=r"MemoryMap\(model=model, saved=saved\); got Linear with"):
        MemoryMap(nn.Linear(1, 1))
    with pytest.raises(TypeError, match="got nothing"):
        MemoryMap()
    film = MemoryMap(self=OrderedDict(), layout=[torch.ones(1)])
    assert list(film.frames[0].names) == ["layout[0]"]
    with pytest.raises(TypeError, match="a str, got 3"):
        film.note(3)
    with pytest.raises(TypeError):
        film.note("bad", x=3)
    assert len(film.frames) == 1


# --- faces ---


def test_the_table_has_a_row_a_name_and_a_column_a_frame_with_letters_and_numbers():
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.fill_(1), model.bias.fill_(2)
    saved = model.state_dict()
    film = MemoryMap(model=model, saved=saved)
    with torch.no_grad():
        model.weight[0, 1] = 5
    film.note("after 5")
    assert Page(film.static_face()).rows == [
        ["name", "at first", "after 5"],
        ["■model.weight", "A: 1 1", "A: 1 5"],
        ["■model.bias", "B: 2", "B: 2"],
        ["✕saved['weight']", "A: 1 1", "A: 1 5"],
        ["✕saved['bias']", "B: 2", "B: 2"],
    ]
    assert "<b>5</b>" in film.static_face() and "<b>1</b>" not in film.static_face()
    assert repr(film) == (
        "MemoryMap, 2 frames: at first: 4 names and 2 blocks of memory; after 5: other numbers in A"
    )


def test_hostile_names_and_words_stay_text():
    held = {HOSTILE: torch.ones(1)}
    film = MemoryMap(**{HOSTILE: held})
    film.note(HOSTILE)
    page = Page(film.static_face())
    assert "img" not in page.elements and HOSTILE in page.words
    assert "\n" not in repr(film)
    json.dumps(film.film).encode()


def test_a_note_changes_the_trait_that_the_page_listens_to():
    tensor = torch.ones(1)
    film, heard = MemoryMap(x=tensor), []
    film.observe(lambda change: heard.append(len(change["new"]["frames"])), names="film")
    film.note("once")
    film.note("twice")
    assert heard == [2, 3]
