"""Everything private of torch that this package leans on, in one place.

Each name says why the public way will not do, and what is done where a release lacks it. When torch
moves one of them, this file changes and no other; but for what a reader writes such a name in: the
exercises of a lesson, and the ways to read a parameter whose cost is measured."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from functools import cache
from operator import attrgetter

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.parameter import UninitializedTensorMixin

# --- a module

# The containers that Module.__init__ makes. The public walks (named_parameters and the rest) run
# methods that a subclass may override, and leave out the names that hold None. A module without
# them, as one whose __init__ failed half-way, is read as if they were empty.
PARAMETERS, BUFFERS, MODULES = CONTAINERS = ("_parameters", "_buffers", "_modules")
# The one place where torch keeps which buffers are not saved. Without it all count as saved.
NON_PERSISTENT = "_non_persistent_buffers_set"
# A script module keeps its containers in the module that it wraps. Without it the wrapper is read.
SCRIPTED = "_actual_script_module"
# All that Module.__init__ makes, in order, as the installed torch has it: containers, hooks, modes.
INIT_NAMES = tuple(vars(nn.Module()))
INTERNAL = frozenset(INIT_NAMES) - {"training"}  # what is there before a learner writes anything

# The functions that shard or replicate a module in place leave notes in it, under names that end
# with a random number, and hooks beside them. Without this they count as plain values.
RANDOM_NAME = "__composable_api_state_key_"

# The rules by which torch moves one module and lists what it holds: the public to() and cuda() of a
# model call the first for each part, parameters() and buffers() the second. A class may override
# them. One that a release lacks is found in no class, and reads as "none of its own".
MOVE_ONE, LIST_MEMBERS = "_apply", "_named_members"

# Where hooks stand. There are calls to add a hook and none to ask for those that are there. A name
# that a release lacks is found in no module, and reads as "no hooks".
STATE_DICT_HOOKS = ("_state_dict_hooks", "_state_dict_pre_hooks")
LOAD_PRE_HOOKS, LOAD_POST_HOOKS = "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"
FORWARD_PRE_HOOKS = "_forward_pre_hooks"
# Under which names torch's own hooks before forward(), the old weight_norm, spectral_norm and
# pruning, keep that of the tensor they compute. Without them it counts as a learner's.
NAMES_IN_HOOKS = ("name", "_tensor_name")
# A recurrent layer keeps the names of its weights in a list. Without it only its code is asked.
NAMES_IN_LAYERS = "_flat_weights_names"

# The hooks of all modules, which no module lists. There are calls to add one, and none to ask for
# those that are there. A release that moves them has none to be seen.
HOOKS_OF_ALL = [
    box
    for name, box in vars(nn.modules.module).items()
    if name.startswith("_global_") and isinstance(box, dict)
]

# --- a tensor

# The base class in C. Its readers answer beneath a property of the same name in a subclass, and
# beneath __torch_function__. Where it is missing, those of torch.Tensor do, which run the latter.
_Base = getattr(torch._C, "TensorBase", torch.Tensor)
shape_of, dtype_of, device_of = _Base.shape.__get__, _Base.dtype.__get__, _Base.device.__get__
requires_grad_of, is_leaf = _Base.requires_grad.__get__, _Base.is_leaf.__get__
numel_of, nbytes_of = _Base.numel, _Base.nbytes.__get__
retains_grad, storage_of = _Base.retains_grad.__get__, _Base.untyped_storage
stride_of, offset_of, element_size_of = _Base.stride, _Base.storage_offset, _Base.element_size
is_conjugate, is_negated = _Base.is_conj, _Base.is_neg  # read so, while the bytes stay as they are
grad_fn_of, is_inference = _Base.grad_fn.__get__, _Base.is_inference
# A Parameter around a tensor of a class of its own keeps that class and carries this mark, which is
# what isinstance(…, nn.Parameter) asks for. Without it such a tensor counts as a plain one.
PARAMETER_MARK = "_is_param"
# FSDP lays the Parameters of a part into one with this mark, and keeps views of it in their places,
# as plain attributes. Without it they count as a learner's.
FLAT_MARK = "_is_flat_param"
# What torch itself writes on a tensor: the labels of an nn.Buffer, and the mark of above. Without
# these they count as somebody's notes.
NAMES_ON_TENSORS = frozenset({"persistent", "_is_buffer", PARAMETER_MARK})


@cache
def names_on_optimizers() -> frozenset[str]:
    """What torch itself writes on an optimizer. The first one that is made loads much of torch."""
    return frozenset(vars(torch.optim.SGD([torch.ones(1)], lr=0.0)))


def is_lazy(tensor: torch.Tensor) -> bool:
    """Is this tensor still without a shape? `nn.parameter.is_lazy` asks isinstance, which runs a
    property `__class__` of the guest."""
    return issubclass(type(tensor), UninitializedTensorMixin)


# The same number for all that stand for one storage, those on the meta device too, which have no
# `data_ptr`. There is no public one.
address_of_storage = attrgetter("_cdata")


def storage_address(tensor: torch.Tensor) -> int | None:
    """The same number for tensors that share memory. None where there is none: a sparse tensor, a
    wrapper subclass that refuses."""
    try:
        return address_of_storage(storage_of(tensor)) or None
    except Exception:
        return None


def weak_storage(tensor: torch.Tensor) -> StorageWeakRef:
    """What tells later whether the memory of `tensor` was given back, and keeps it no longer for
    that: as long as this is held, no other storage gets the same `storage_address`. torch shares
    tensors between processes with it; there is no public class."""
    return StorageWeakRef(storage_of(tensor))


def memory_begins(tensor: torch.Tensor) -> int | None:
    """The address at which the storage of `tensor` begins: two storages may lie over the same
    bytes, as those of one NumPy array do. None where there are no bytes, or where asking for them
    would copy them: a tensor that `torch._lazy_clone` made. Without the mark of these there are
    none to spare."""
    is_lazy_clone = getattr(torch._C, "_is_cow_tensor", lambda _: False)
    return None if is_lazy_clone(tensor) else storage_of(tensor).data_ptr() or None


def answers_for_itself(kind: type) -> bool:
    """Does this class of tensors run code of its own in the place of torch's kernels, as DTensor
    and FakeTensor do? Then its storage says nothing of where its numbers are."""
    own = next(
        vars(base)["__torch_dispatch__"]
        for base in type.__dict__["__mro__"].__get__(kind)
        if "__torch_dispatch__" in vars(base)
    )
    return own is not vars(torch.Tensor)["__torch_dispatch__"]


def writes_into(tensor: torch.Tensor) -> int | None:
    """How many writes in place torch has counted for the memory of `tensor`; None where it counts
    none, as for an inference tensor. There is no public count. One through `.data` or NumPy, or by
    batch norm into its statistics, is not in it."""
    try:
        return _Base._version.__get__(tensor)
    except Exception:
        return None


def has_hook(tensor: torch.Tensor) -> bool:
    """Is there a hook on the gradient of `tensor`? There are calls to add one and none to ask.
    Where the name is missing, none is told."""
    return bool(getattr(tensor, "_backward_hooks", None))


def without_torch_function() -> object:
    """A context in which no `__torch_function__` of a tensor class or of a mode runs. There is no
    public way to ask for it. Where it is missing, such code of the learner may run."""
    return getattr(torch._C, "DisableTorchFunction", nullcontext)()


def without_torch_dispatch() -> object:
    """A context in which no `__torch_dispatch__` of a mode runs, as those that log operations or
    make fake tensors have. There is no public way to ask for it. Where it is missing, such a mode
    sees what is done in it, and may raise."""
    return getattr(torch._C, "_DisableTorchDispatch", nullcontext)()


def piece_of(tensor: torch.Tensor) -> torch.Tensor | None:
    """The piece that this process has of a tensor which is laid out over several; None of any
    other. The public `to_local` goes through autograd, and calls itself where it is overridden.
    Without it the whole shape is all that is told."""
    laid_out = getattr(sys.modules.get("torch.distributed.tensor"), "DTensor", None)
    return tensor._local_tensor if laid_out is not None and type(tensor) is laid_out else None


def leaf_of(node: object) -> torch.Tensor | None:
    """The tensor that a graph ends at in this node, which would get its gradient there. The nodes
    and `next_functions` are public, this name of the last one's tensor is not. Without it a graph
    seems to have no leaves."""
    return getattr(node, "variable", None) if type(node).__name__ == "AccumulateGrad" else None


# --- a state_dict

# Versions and notes that state_dict() leaves on the dictionary; load_state_dict() reads them there.
# A dictionary without it is loaded as an old one, and so it is by us.
METADATA = "_metadata"
# The note that makes torch assign at every later load of a dictionary once loaded with assign=True.
ASSIGN_NOTE = "assign_to_params_buffers"

# --- a load

# Facts of a tensor that decide whether a load may copy into it, read beneath a subclass as above.
layout_of, is_quantized = _Base.layout.__get__, _Base.is_quantized.__get__
is_contiguous, is_nested = _Base.is_contiguous, _Base.is_nested.__get__
# The rules of one module: load_state_dict() calls the first for each, state_dict() the second. A
# class may override them, and there is no public call for one module alone.
LOAD_ONE, SAVE_ONE = "_load_from_state_dict", "_save_to_state_dict"
# The hook by which a lazy layer takes the shape that a file gives. Without it such a layer is
# rehearsed as one whose hook is not torch's.
lazy_load_hook = getattr(nn.modules.lazy.LazyModuleMixin, "_lazy_load_hook", None)
EXTRA_STATE = "_extra_state"  # the last part of its key; torch does not export the word


def unwrapped(hook: object) -> tuple[object, bool]:
    """A load hook as it was registered, and whether it is called with the module first: torch wraps
    it. Where it does not, the hook is as it stands."""
    return getattr(hook, "hook", hook), bool(getattr(hook, "with_module", False))


def add_load_hook(module: nn.Module, hook: object, with_module: bool) -> None:
    """Register a hook before the load. The public call gives every hook the module first."""
    module._register_load_state_dict_pre_hook(hook, with_module=with_module)


# The base of BatchNorm and InstanceNorm, which keep statistics or keep none.
NormBase = nn.modules.batchnorm._NormBase
# The classes by which `torch.nn.utils.parametrizations` computes a weight, by the function's name.
NORMS = {
    "weight_norm": getattr(nn.utils.parametrizations, "_WeightNorm", None),
    "spectral_norm": getattr(nn.utils.parametrizations, "_SpectralNorm", None),
}
# Where an optimizer keeps the hooks on its own load. As above: none where a release lacks them.
OPTIMIZER_LOAD_HOOKS = (
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)
