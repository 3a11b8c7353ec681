"""The exercises of lesson 07: a `Module` of one's own, in nine steps.

Every step is asked beside torch's class: `beside_torch` says how. The answer is one class in a
chain, so its whole class is made for the experiment: the given steps that come after are built on
it, as the notebook would build them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial

import torch
from torch import nn

from helpers.exercises.beside_torch import beside_torch
from helpers.exercises.exercise import Exercise, source_of


class Base:
    """Every module of this lesson is made from `Base`, as torch's are from `nn.Module`."""


@cache
def _given() -> dict[str, str]:
    """The text of each class that the lesson gives, in their order."""
    kinds = {name: one for name, one in globals().items() if isinstance(one, type)}
    mine = [name for name, one in kinds.items() if issubclass(one, Base) and name[:4] != "Step"]
    return {name: source_of(kinds[name]) for name in mine}


def _whole(step: int, answer: type) -> tuple[type, type]:
    """`answer` with the given steps that come after it, and the `Base` that it is made from."""
    if issubclass(answer, nn.Module):  # torch's class is whole
        return answer, nn.Module
    family = next(one for one in answer.__mro__ if one.__name__ == "Base")
    names, whole = list(_given()), {**globals(), "Base": family, f"Step{step}": answer}
    for name in names[names.index(f"Given{step}") + 1 :]:
        exec(_given()[name], whole)
        if name.startswith("Given"):
            whole[f"Step{name[5:]}"] = whole[name]
    return (answer if step == 9 else whole["Given9"]), family


def _step(number: int, reference: type, words: str) -> Exercise:
    experiment = beside_torch(number, partial(_whole, number))
    return Exercise(f"7.{number}", reference, experiment, words, judge=nn.Module)


class Given1(Base):
    def __init__(self):
        own = vars(self)  # the object's own dictionary: writing into it runs no __setattr__
        own["training"] = True
        own["_parameters"] = {}
        own["_buffers"] = {}
        own["_non_persistent_buffers_set"] = set()
        own["_modules"] = {}


CONTAINERS = _step(
    1,
    Given1,
    """
    `Module()` makes four empty containers and `training`, past `__setattr__`

    1. `vars(self)` is the object's own dictionary. To write into it runs no method of the class.
    2. Three dicts, one set, and `training`, which is `True`. All are made in `__init__`, anew for
       each module.
    3. Nearly there: `vars(self)["_parameters"] = {}`, and so on for `_buffers`, `_modules`; with
       `set()` for `_non_persistent_buffers_set`.

    - not-training: A new module is in training mode: `training` is `True`.
        = True → = False
    - not-a-set: `_non_persistent_buffers_set` holds names only, and is a set.
        set() → {}
    - one-for-two: Each container is an object of its own. Two of yours are one dict.
        own["_modules"] = {} → own["_modules"] = own["_buffers"]
    - shared: The containers of two modules are one. Make them in `__init__`, not in the class.
        (self): → (self, made={}):
        own["_parameters"] = {} → own["_parameters"] = made
    - kept: `__init__` may run again, and makes new containers then. Yours keeps the old ones.
        own["_parameters"] = {} → own.setdefault("_parameters", {})
    - runs-setattr: `self._parameters = ...` calls the `__setattr__` of the class. Write into
      `vars(self)`.
        own["_parameters"] = {} → self._parameters = {}
    """,
)
Step1 = Given1


class Unchecked(Step1):
    """Puts a value into its container, and checks nothing. The checks are step 4."""

    def register_parameter(self, name, param):
        self._parameters[name] = param

    def register_buffer(self, name, tensor, persistent=True):
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)


class Homes(Unchecked):
    """Where a name has its home, and how it leaves the others."""

    def _home(self, name):
        for box in ("_parameters", "_modules", "_buffers"):
            if name in vars(self).get(box, ()):  # a container may be missing
                return box
        return None  # a plain attribute, or nothing

    def _leave_all_but(self, box, name):
        homes = {"_parameters": self._parameters, "_modules": self._modules}
        homes |= {"_buffers": self._buffers, "__dict__": vars(self)}
        for other in homes.keys() - {box}:
            homes[other].pop(name, None)
        self._non_persistent_buffers_set.discard(name)


class Given2(Homes):
    def __setattr__(self, name, value):
        if isinstance(value, nn.Parameter):  # 1
            self._leave_all_but("_parameters", name)
            self.register_parameter(name, value)
        elif self._home(name) == "_parameters":  # 2
            if value is not None:
                raise TypeError(f"{name!r} is a parameter's name, and takes one or None")
            self.register_parameter(name, None)
        elif isinstance(value, Base) or self._home(name) == "_modules":  # 3
            if not (value is None or isinstance(value, Base)):
                raise TypeError(f"{name!r} is a module's name, and takes one or None")
            self._leave_all_but("_modules", name)
            self._modules[name] = value
        elif isinstance(value, nn.Buffer) or self._home(name) == "_buffers":  # 4
            if not (value is None or isinstance(value, torch.Tensor)):
                raise TypeError(f"{name!r} is a buffer's name, and takes a tensor or None")
            as_before = name not in self._non_persistent_buffers_set
            self.register_buffer(name, value, getattr(value, "persistent", as_before))
        else:  # 5
            super().__setattr__(name, value)


FIVE_QUESTIONS = _step(
    2,
    Given2,
    """
    `__setattr__` puts a value into the container that torch puts it into, or raises what torch
    raises

    1. Five questions in this order: Parameter? a parameter's name? a module, or its name? a buffer,
       or its name? else plain.
    2. Before a parameter or a module is stored, its name leaves all other homes. Apart from
       that, a slot takes its own kind, or `None`.
    3. Nearly there: `self._leave_all_but("_parameters", name)`, then
       `self.register_parameter(name, value)`; for modules the same, with `self._modules[name]`.

    - kin: `kin` is made from `Base`, but not from your class. Ask `isinstance(value, Base)`. The
      name `Module` means another class in the next step.
        elif isinstance(value, Base) → elif isinstance(value, Given1)
    - exact-class: The class of `other` is made from `nn.Parameter`. `isinstance` knows it.
        isinstance(value, nn.Parameter) → type(value) is nn.Parameter
    - to-the-end: A name that is assigned again keeps its place in its container. Leave it there.
        self._leave_all_but("_parameters", name) → self._leave_all_but("", name)
    - one-home: A name has one home. Take it out of the `__dict__` and the other containers first,
      and store it then: `register_parameter` refuses a name that is taken, from step 4 on.
        self._leave_all_but("_parameters", name) →
        self._leave_all_but("_modules", name) →
    - property: The class of `second` has a property `half` that sets `whole`.
      `super().__setattr__(name, value)` minds properties; writing into `vars(self)` does not.
        super().__setattr__(name, value) → vars(self)[name] = value
    - forgotten-set: A name that is no buffer any more leaves `_non_persistent_buffers_set`, too.
        self._leave_all_but("_parameters", name) → vars(self).pop(name, None); \
[box.pop(name, None) for box in (self._modules, self._buffers)]
    - parameter-slot: The name of a parameter takes one or `None`. All else is a `TypeError`.
        self._home(name) == "_parameters" → False
    - empty-slot: `None` empties the slot of a parameter, and the name stays in `_parameters`.
        self.register_parameter(name, None) → del self._parameters[name]
    - module-slot: The name of a module takes a module, a parameter or `None`. All else is a
      `TypeError`.
        isinstance(value, Base) or self._home(name) == "_modules" → isinstance(value, Base)
    - buffer-slot: On the name of a buffer `None` and a tensor, but no parameter, go to `_buffers`.
      A number is a `TypeError`.
        nn.Buffer) or self._home(name) == "_buffers" → nn.Buffer)
    - persistence: A tensor on the name of a buffer keeps the name as persistent as it was. An
      `nn.Buffer` brings its own answer.
        getattr(value, "persistent", as_before) → getattr(value, "persistent", True)
    - buffer-clears: For a buffer nothing is cleared: the name of a plain attribute stays taken, and
      step 4 refuses it.
        self.register_buffer( → vars(self).pop(name, None); self.register_buffer(
    - past-register: Let `self.register_parameter` and `self.register_buffer` store the value: the
      checks of step 4, and a subclass, stand there.
        self.register_parameter(name, value) → self._parameters[name] = value
        self.register_parameter(name, None) → self._parameters[name] = None
    """,
)
Step2 = Given2


class Given3(Step2):
    def __getattr__(self, name):  # runs only if Python's own look-up has failed
        for box in ("_parameters", "_buffers", "_modules"):
            found = vars(self).get(box, {})  # not self._parameters: that could end up here again
            if name in found:
                return found[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name):
        for box in (self._parameters, self._buffers, self._modules):
            if name in box:
                del box[name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)


READ_AND_DELETE = _step(
    3,
    Given3,
    """
    `__getattr__` finds what is registered, and `__delattr__` deletes it

    1. `__getattr__` is called for names that Python itself has not found. Look into three
       containers, in their order.
    2. Use `vars(self)` to get at the containers, and `in` to ask for a name: a value may be `None`.
    3. Nearly there: end with `raise AttributeError(...)`, and end `__delattr__` with
       `super().__delattr__(name)`.

    - none-for-missing: A name that is nowhere is an `AttributeError`: `None` is taken for a value.
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") → \
return None
    - another-error: A name that is nowhere is an `AttributeError`. `hasattr` lets other errors out.
        raise AttributeError(f" → raise KeyError(f"
    - calls-itself: Without containers, `self._parameters` asks `__getattr__` again, without an end.
      Ask `vars(self)`.
        vars(self).get(box, {}) → getattr(self, box)
    - read-none: An empty slot is there, and its value is `None`. Ask whether the name is `in` it.
        if name in found: → if found.get(name) is not None:
    - delete-hidden: With a non-persistent buffer goes its name in `_non_persistent_buffers_set`.
        self._non_persistent_buffers_set.discard(name) → pass
    - delete-plain: What is in no container is left to Python: `super().__delattr__(name)`.
        super().__delattr__(name) → raise AttributeError(name)
    - emptied: `del` takes the name out of its container. Yours is an empty slot now.
        del box[name] → box[name] = None
    """,
)
Step3 = Given3


class Given4(Step3):
    def _check_name(self, name, box):
        if box not in vars(self):
            raise AttributeError("Module.__init__() has to run first")
        if not isinstance(name, str):
            raise TypeError("a name is a text")
        if name == "" or "." in name:
            raise KeyError(f"{name!r} is no name: it is empty, or has a dot")
        if hasattr(self, name) and name not in vars(self)[box]:
            raise KeyError(f"{name!r} is taken")

    def register_parameter(self, name, param):
        self._check_name(name, "_parameters")
        if not (param is None or isinstance(param, nn.Parameter)):
            raise TypeError(f"{name!r}: a parameter or None is expected")
        if param is not None and param.grad_fn is not None:
            raise ValueError(f"{name!r}: the result of a computation is no leaf")
        super().register_parameter(name, param)

    def register_buffer(self, name, tensor, persistent=True):
        self._check_name(name, "_buffers")
        if not (tensor is None or isinstance(tensor, torch.Tensor)):
            raise TypeError(f"{name!r}: a tensor or None is expected")
        super().register_buffer(name, tensor, persistent)


REGISTER = _step(
    4,
    Given4,
    """
    `register_parameter` and `register_buffer` refuse what torch's refuse, with the same kinds of
    error

    1. The name first: a string, not empty, without a dot, not taken. Then the value.
    2. `TypeError` for what is no string, `KeyError` for the other three; `TypeError` for a wrong
       value.
    3. Nearly there: taken means `hasattr(self, name) and name not in self._parameters`; a result
       has a `grad_fn`.

    - mark-left: A buffer that is refused leaves no mark in `_non_persistent_buffers_set`. Check
      first, and note the name then.
        self._check_name(name, "_buffers") → self._check_name(name, "_buffers"); \
persistent or self._non_persistent_buffers_set.add(name)
    - dotted: A name with a dot is a `KeyError`.
        name == "" or "." in name → name == ""
    - odd-name: A name may be `0` or `lambda`: an `nn.Sequential` has layers called `0`. A free
      name is refused only if it is empty or has a dot.
        name == "" or "." in name → not name.isidentifier()
    - taken: A name that lives elsewhere is a `KeyError`, also if it is the class that has it.
        hasattr(self, name) → name in vars(self)
    - again: What is in the very container may be registered again.
        hasattr(self, name) and name not in vars(self)[box] → hasattr(self, name)
    - wrong-value: A parameter has to be a `Parameter`, a buffer any tensor.
        isinstance(param, nn.Parameter) → isinstance(param, torch.Tensor)
    - not-a-leaf: A `Parameter` with a `grad_fn` is the result of a computation: a `ValueError`.
        param.grad_fn is not None → False
    """,
)
Step4 = Given4


class Given5(Step4):
    def add_module(self, name, module):
        if not (module is None or isinstance(module, Base)) or not isinstance(name, str):
            raise TypeError("a name is a text, and a child a module or None")
        if name == "" or "." in name or hasattr(self, name) and name not in self._modules:
            raise KeyError(f"{name!r} is no name, or is taken")
        self._modules[name] = module

    def named_children(self):
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self):
        for _, module in self.named_children():
            yield module

    def get_submodule(self, target):
        module = self
        for name in target.split(".") if target else ():
            module = getattr(module, name)
            if not isinstance(module, Base):
                raise AttributeError(f"{name!r} is not a module")
        return module


CHILDREN = _step(
    5,
    Given5,
    """
    `add_module`, `named_children`, `children` and `get_submodule` build a tree and walk one level
    of it

    1. `add_module` is `self._modules[name] = module` behind a check of the value, and then of the
       name.
    2. `named_children` leaves out empty slots, and names a child that has two names once.
    3. Nearly there: `get_submodule("a.b")` goes from `self` to `a` to `b`; the empty path is the
       module itself.

    - kin: `kin` is made from `Base`, but not from your class. Ask `isinstance(module, Base)`.
        isinstance(module, Base)) → isinstance(module, Given1))
    - wrong-name: No string is a `TypeError`; a dot and the empty name are a `KeyError`.
        name == "" or "." in name or hasattr → hasattr
    - taken: A name that lives elsewhere is a `KeyError`, also if it is the class that has it.
        hasattr(self, name) and → False and
    - by-truth: A module may be false in an `if`: `last` has a length, and that is 0. Ask for
      `is not None`.
        module is not None and → module and
    - empty-slot: A slot that holds `None` has no child.
        module is not None and → True and
    - twice: The same child under two names is one child, under its first name.
        seen.add(module) → pass
    - not-itself: A module may hold itself, and is its own child then.
        module is not None and → module is not None and module is not self and
    - one-level: The children are those of this module. Their children are not.
        yield name, module → yield name, module; yield from module.named_children()
    - no-module: What the path meets has to be a module: anything else is an `AttributeError`.
        if not isinstance(module, Base): → if False:
    """,
)
Step5 = Given5


def joined(prefix, name):
    return f"{prefix}.{name}" if prefix else name


class Values(Step5):
    """The values without their names, for whoever writes the three methods with names."""

    def modules(self):
        return (module for _, module in self.named_modules())

    def parameters(self, recurse=True):
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def buffers(self, recurse=True):
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))


class Given6(Values):
    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        memo = set() if memo is None else memo
        if self not in memo:
            if remove_duplicate:
                memo.add(self)
            yield prefix, self
            for name, module in self._modules.items():
                if module is not None:
                    yield from module.named_modules(memo, joined(prefix, name), remove_duplicate)

    def _named(self, box, prefix, recurse, remove_duplicate):
        everywhere = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        memo = set()
        for path, module in everywhere if recurse else [(prefix, self)]:
            for name, value in vars(module)[box].items():
                if value is not None and value not in memo:
                    if remove_duplicate:
                        memo.add(value)
                    yield joined(path, name), value

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        return self._named("_buffers", prefix, recurse, remove_duplicate)


WALK = _step(
    6,
    Given6,
    """
    `named_modules`, `named_parameters` and `named_buffers` walk the tree, with prefix, recursion
    and each object once

    1. `named_modules` gives itself, then its first child with all that is below it, then the next
       child, each with the child's name in front.
    2. The other two go through `named_modules(prefix=...)`, or only through themselves, and skip
       `None`.
    3. Nearly there: keep a set of what was seen, for modules one that is handed down, and use
       `joined` for the names.

    - level-by-level: All that is below the first child comes before the second child.
        self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) → \
sorted(self.named_modules(None, prefix, remove_duplicate), key=lambda one: one[0].count("."))
    - short-names: A name is the path from the module that was asked, with dots between.
        yield joined(path, name), value → yield name, value
    - by-truth: A module may be false in an `if`: `last` has a length, and that is 0. Ask for
      `is not None`.
        if module is not None: → if module:
    - empty-slot: A slot that holds `None` gives nothing.
        value is not None and value not in memo → value not in memo
    - tied: A parameter or buffer under two names is given once, under the first.
        memo.add(value) → pass
    - hidden-buffers: `named_buffers` lists every buffer. `state_dict` alone leaves some out.
        value is not None and → value is not None and \
name not in module._non_persistent_buffers_set and
    - not-recursive: With `recurse=False` only the module's own names are given.
        everywhere if recurse else [(prefix, self)] → everywhere
    - other-memo: A set that was handed in is the memory, also if it is empty. Ask `memo is None`.
        set() if memo is None else memo → memo or set()
    - memory: A module under two names, or in a circle, is given once, and what is in it, too. The
      memory is one for the whole walk: hand `memo` down.
        named_modules(memo, → named_modules(None,
    """,
)
Step6 = Given6


class Given7(Step6):
    def state_dict(self, prefix="", keep_vars=False):
        state = {}
        for name, value in [*self._parameters.items(), *self._buffers.items()]:
            if value is not None and name not in self._non_persistent_buffers_set:
                state[prefix + name] = value if keep_vars else value.detach()
        for name, module in self._modules.items():
            if module is not None:
                state.update(module.state_dict(prefix + name + ".", keep_vars))
        return state


SAVE = _step(
    7,
    Given7,
    """
    `state_dict()` has the keys and values of torch's

    1. First the own parameters, then the own buffers, then each child with its name and a dot in
       front, down to its last.
    2. Leave out `None`, and the buffers whose names are in `_non_persistent_buffers_set`. Keep both
       names of a tie.
    3. Nearly there: `module.state_dict(prefix + name + ".", keep_vars)` for each child, and
       `value.detach()`.

    - buffers-first: In each module parameters come before buffers, whatever was registered first.
        [*self._parameters.items(), *self._buffers.items()] → \
[*self._buffers.items(), *self._parameters.items()]
    - level-by-level: All that is below the first child comes before the second child.
        return state → return dict(sorted(state.items(), key=lambda one: one[0].count(".")))
    - hidden: A non-persistent buffer is not saved.
        and name not in self._non_persistent_buffers_set →
    - by-truth: A module may be false in an `if`: `last` has a length, and that is 0. Ask for
      `is not None`.
        if module is not None: → if module:
    - empty-slot: `None` is not saved, and an empty slot of a module has nothing.
        if value is not None and name → if name
        value if keep_vars else value.detach() → value if keep_vars or value is None \
else value.detach()
    - not-detached: The values are detached: plain tensors without a gradient, not parameters.
        value if keep_vars else value.detach() → value
    - no-gradient: What requires no gradient is detached, too: another object in the same memory.
        value if keep_vars else → value if keep_vars or not value.requires_grad else
    - copied: The values share the memory of the module: `detach()`, and no `clone()`.
        value.detach() → value.detach().clone()
    - counters: A buffer of integers or booleans, or of one number, is saved like any other.
        if value is not None and name → if value is not None and value.dim() and name
    - no-elements: A tensor without elements is saved like any other.
        if value is not None and name → if value is not None and value.numel() and name
    - first-gap: An empty slot is left out, and what comes after it is not.
        self._modules.items(): → __import__("itertools").takewhile(\
lambda one: one[1] is not None, self._modules.items()):
    - keep-vars: With `keep_vars=True` the values are the objects themselves, in the children, too.
        name + ".", keep_vars → name + "."
    - tied: Each name is a key, also if two names have one tensor, or two children are one module.
        [*self._parameters.items(), *self._buffers.items()] → \
[*self.named_parameters(recurse=False), *self.named_buffers(recurse=False)]
        self._modules.items() → self.named_children()
    """,
)
Step7 = Given7


class Given8(Step7):
    def load_state_dict(self, state_dict, strict=True):
        if not isinstance(state_dict, Mapping):
            raise TypeError("a state_dict is a mapping of keys and tensors")
        own = self.state_dict(keep_vars=True)
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        errors = [f"missing {key}" for key in missing] if strict else []
        errors += [f"unexpected {key}" for key in unexpected] if strict else []
        for key in filter(state_dict.__contains__, own):
            if own[key].shape != state_dict[key].shape:
                errors.append(f"another shape under {key}")
            else:
                with torch.no_grad():
                    own[key].copy_(state_dict[key])
        if errors:
            raise RuntimeError("; ".join(errors))
        return missing, unexpected


LOAD = _step(
    8,
    Given8,
    """
    `load_state_dict(state, strict=True)` copies what fits, and then complains about all the rest at
    once

    1. `self.state_dict(keep_vars=True)` has every key that is wanted, with the tensor to copy into.
    2. Copy under `torch.no_grad()`, collect keys and shapes that do not fit, and raise one
       `RuntimeError` at the end.
    3. Nearly there: return two lists, missing and unexpected. With `strict=False` they are no
       error; shapes always are.

    - dict-only: Any `Mapping` will do, such as a `ChainMap`: it need not be a dict.
        isinstance(state_dict, Mapping) → isinstance(state_dict, dict)
    - memory: The numbers are copied into the memory that is there: `copy_`.
        own[key].copy_(state_dict[key]) → own[key].data = state_dict[key].to(own[key].dtype)
    - unexpected: A key that the module does not have is a `RuntimeError` if `strict`.
        errors += [f"unexpected {key}" for key in unexpected] if strict else [] →
    - shape: Another shape is a `RuntimeError`, also where `copy_` would stretch the numbers.
        own[key].shape != state_dict[key].shape → own[key].numel() < state_dict[key].numel()
    - shape-forgiven: `strict=False` forgives keys, not shapes. What fits is loaded all the same.
        errors.append(f"another shape under {key}") → \
errors += [f"another shape under {key}"] * strict
    - stopped: Each key that fits is loaded, whatever the others do. Raise at the end.
        errors.append(f"another shape under {key}") → raise RuntimeError(key)
    - collected: The error names every key that is missing, unexpected, or of another shape.
        "; ".join(errors) → errors[0]
    - gradients: A load changes numbers. The gradients stay.
        own[key].copy_(state_dict[key]) → own[key].copy_(state_dict[key]); own[key].grad = None
    - dict-changed: The dictionary keeps all its keys: its owner may still need it.
        own[key].copy_(state_dict[key]) → own[key].copy_(state_dict.pop(key))
    """,
)
Step8 = Given8


class Shown(Step8):
    """What is left and holds nothing new."""

    def eval(self):
        return self.train(False)

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def extra_repr(self):
        return ""

    def __repr__(self):
        children = [f"({name}): {module!r}" for name, module in self._modules.items()]
        text = "\n".join([self.extra_repr(), *children]).replace("\n", "\n  ")
        end = "\n)" if children else ")"
        return f"{type(self).__name__}({text}{end}"


class Given9(Shown):
    def _apply(self, fn):
        for module in self.children():
            module._apply(fn)
        for parameter in self.parameters(recurse=False):
            parameter.data = fn(parameter.data)
            if parameter.grad is not None:
                parameter.grad.data = fn(parameter.grad.data)
        for name, buffer in self._buffers.items():
            self._buffers[name] = None if buffer is None else fn(buffer)
        return self

    def to(self, target):
        to_dtype = isinstance(target, torch.dtype)
        if to_dtype and not (target.is_floating_point or target.is_complex):
            raise TypeError("a module is converted to floating point or complex dtypes only")

        def convert(tensor):
            keep = to_dtype and not (tensor.is_floating_point() or tensor.is_complex())
            return tensor if keep else tensor.to(target)

        return self._apply(convert)

    def train(self, mode=True):
        for module in self.modules():
            module.training = mode
        return self


REST = _step(
    9,
    Given9,
    """
    `_apply`, `to` and `train`, for every tensor and every module of the tree

    1. `_apply(fn)` goes through the children, then the own parameters, their gradients, and the
       buffers.
    2. A parameter stays the same object: `parameter.data = fn(parameter.data)`. A buffer is
       replaced in `_buffers`.
    3. Nearly there: `to` is `_apply` of a small function that leaves integers alone if the target
       is a dtype.

    - new-objects: A parameter stays the same object: an optimizer holds it. Set its `data`.
        parameter.data = fn(parameter.data) → \
[self._parameters.update({name: nn.Parameter(fn(one.data))}) for name, one in \
self._parameters.items() if one is parameter]
    - frozen: A frozen parameter moves like any other.
        parameter.data = fn(parameter.data) → \
parameter.data = fn(parameter.data) if parameter.requires_grad else parameter.data
    - own-only: `_apply` reaches every parameter and buffer of every module in the tree.
        module._apply(fn) → pass
    - two-names: A buffer under two names is replaced under both.
        self._buffers.items(): → [*self.named_buffers(recurse=False)]:
    - last-place: A buffer keeps its place, also before an empty slot.
        self._buffers.items(): → list(self._buffers.items()):
        self._buffers[name] = None if buffer is None else fn(buffer) → \
self._buffers.update({name: fn(self._buffers.pop(name))} if buffer is not None else {})
    - twice: A child under two names is one child: go through it once.
        for module in self.children(): → for module in filter(None, self._modules.values()):
    - gradient: A gradient goes along with its parameter.
        parameter.grad is not None → False
    - integers: A dtype is for floating point and complex tensors. Integers stay what they are.
        tensor if keep else tensor.to(target) → tensor.to(target)
    - device-for-all: A device moves integers, too.
        keep = to_dtype and → keep =
    - refused: An integer dtype is a `TypeError`.
        raise TypeError("a module is converted to floating point or complex dtypes only") → \
return self
    - long-ones: Every integer dtype is a `TypeError`, the short ones too.
        if to_dtype and not (target.is_floating_point or target.is_complex): → \
if target in (torch.int64, torch.int32, torch.bool):
    - booleans: A dtype is for floating point and complex tensors. Booleans stay what they are.
        tensor.is_floating_point() or tensor.is_complex() → tensor.is_floating_point() or \
tensor.is_complex() or tensor.dtype == torch.bool
    - complex: A complex dtype is allowed.
        if to_dtype and not (target.is_floating_point or target.is_complex): → \
if to_dtype and not target.is_floating_point:
    - mode: `train(mode=True)` sets `training` in the whole tree.
        self.modules() → [self]
    """,
)
Step9 = Given9
