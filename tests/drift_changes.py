"""The changes of behaviour that `tests/drift.py` makes in torch, one at a time.

Each says what becomes of torch, in which of its files, by which exact replacement, and which
lessons should notice first. What is replaced stands in the file exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass

MODULE = "nn/modules/module.py"
CONTAINER = "nn/modules/container.py"
BATCHNORM = "nn/modules/batchnorm.py"
PARAMETER = "nn/parameter.py"
OPTIMIZER = "optim/optimizer.py"
SGD = "optim/sgd.py"
SERIALIZATION = "serialization.py"
PARAMETRIZE = "nn/utils/parametrize.py"


@dataclass(frozen=True)
class Change:
    """`old` in `file` of torch becomes `new`; `lessons` are asked first."""

    claim: str
    file: str
    old: str
    new: str
    lessons: str

    def apply(self, source: str) -> str:
        """`source` with the change; ValueError unless `old` stands in it once."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(f"{self.claim}: {found} times in {self.file}, wanted once: {self.old}")
        return source.replace(self.old, self.new)


STATE_DICT = [
    Change(
        "state_dict is a snapshot of the parameters",
        MODULE,
        "destination[prefix + name] = param if keep_vars else param.detach()",
        "destination[prefix + name] = param if keep_vars else param.detach().clone()",
        "01",
    ),
    Change(
        "state_dict is a snapshot of the buffers",
        MODULE,
        "destination[prefix + name] = buf if keep_vars else buf.detach()",
        "destination[prefix + name] = buf if keep_vars else buf.detach().clone()",
        "01 03",
    ),
    Change(
        "state_dict gives the parameters with their graph, as if keep_vars",
        MODULE,
        "destination[prefix + name] = param if keep_vars else param.detach()",
        "destination[prefix + name] = param",
        "01",
    ),
    Change(
        "keep_vars is not heard for parameters",
        MODULE,
        "destination[prefix + name] = param if keep_vars else param.detach()",
        "destination[prefix + name] = param.detach()",
        "01",
    ),
    Change(
        "state_dict saves non-persistent buffers",
        MODULE,
        "if buf is not None and name not in self._non_persistent_buffers_set:\n"
        "                destination",
        "if buf is not None:\n                destination",
        "03 01",
    ),
    Change(
        "state_dict has the children before the own tensors",
        MODULE,
        "        self._save_to_state_dict(destination, prefix, keep_vars)\n"
        "        for name, module in self._modules.items():\n"
        "            if module is not None:\n"
        "                module.state_dict(\n"
        "                    destination=destination,\n"
        '                    prefix=prefix + name + ".",\n'
        "                    keep_vars=keep_vars,\n"
        "                )\n",
        "        for name, module in self._modules.items():\n"
        "            if module is not None:\n"
        "                module.state_dict(\n"
        "                    destination=destination,\n"
        '                    prefix=prefix + name + ".",\n'
        "                    keep_vars=keep_vars,\n"
        "                )\n"
        "        self._save_to_state_dict(destination, prefix, keep_vars)\n",
        "01",
    ),
    Change(
        "state_dict is a plain dict",
        MODULE,
        "            destination = OrderedDict()\n"
        "            # pyrefly: ignore [missing-attribute]\n"
        "            destination._metadata = OrderedDict()\n",
        "            destination = {}\n",
        "01",
    ),
    Change(
        "state_dict leaves the version out of _metadata",
        MODULE,
        "local_metadata = dict(version=self._version)",
        "local_metadata = {}",
        "01",
    ),
    Change(
        "state_dict saves no extra state",
        MODULE,
        "destination[extra_state_key] = self.get_extra_state()",
        "pass",
        "05",
    ),
]

LOADING = [
    Change(
        "strict ignores unexpected keys",
        MODULE,
        "            if len(unexpected_keys) > 0:\n",
        "            if False:\n",
        "05 01",
    ),
    Change(
        "strict ignores missing keys",
        MODULE,
        "            if len(missing_keys) > 0:\n",
        "            if False:\n",
        "05 01",
    ),
    Change(
        "strict=False ignores a wrong shape",
        MODULE,
        "        if len(error_msgs) > 0:\n",
        "        if strict and len(error_msgs) > 0:\n",
        "05",
    ),
    Change(
        "an assigning load takes requires_grad from the file (a tensor)",
        MODULE,
        "                                        input_param, requires_grad=param.requires_grad\n",
        "                                        input_param\n",
        "05",
    ),
    Change(
        "an assigning load takes requires_grad from the file (a Parameter)",
        MODULE,
        "                                else:\n"
        "                                    input_param.requires_grad_(param.requires_grad)\n"
        "                            setattr",
        "                            setattr",
        "05 06",
    ),
    Change(
        "assign=True copies the values",
        MODULE,
        "                            setattr(self, name, input_param)\n",
        "                            setattr(self, name, input_param.detach().clone())\n",
        "05 06",
    ),
    Change(
        "a load replaces the parameters in place of copying into them",
        MODULE,
        "                            param.copy_(input_param)\n",
        "                            keeps = isinstance(param, Parameter)\n"
        "                            made = input_param.to(param).clone()\n"
        "                            setattr(self, name, Parameter(made) if keeps else made)\n",
        "05 06",
    ),
    Change(
        "a load into a meta parameter assigns",
        MODULE,
        '= local_metadata.get("assign_to_params_buffers", False)\n',
        '= local_metadata.get("assign_to_params_buffers", False)\n'
        "        assign_to_params_buffers |= any(v.is_meta for v in local_state.values())\n",
        "05",
    ),
    Change(
        "a load expects non-persistent buffers",
        MODULE,
        "            for k, v in self._buffers.items()\n"
        "            if k not in self._non_persistent_buffers_set\n",
        "            for k, v in self._buffers.items()\n",
        "03 05",
    ),
    Change(
        "a BatchNorm loads no file without num_batches_tracked",
        BATCHNORM,
        "(version is None or version < 2) and self.track_running_stats",
        "version is not None and version < 2 and self.track_running_stats",
        "01 05",
    ),
]

ATTRIBUTES = [
    Change(
        "a Parameter assigned to the name of a buffer leaves the buffer",
        MODULE,
        "                self.__dict__,\n"
        "                self._buffers,\n"
        "                self._modules,\n"
        "                self._non_persistent_buffers_set,\n",
        "                self.__dict__,\n"
        "                self._modules,\n"
        "                self._non_persistent_buffers_set,\n",
        "04 03",
    ),
    Change(
        "a Parameter assigned to the name of a plain attribute leaves the attribute",
        MODULE,
        "                self.__dict__,\n"
        "                self._buffers,\n"
        "                self._modules,\n"
        "                self._non_persistent_buffers_set,\n",
        "                self._buffers,\n"
        "                self._modules,\n"
        "                self._non_persistent_buffers_set,\n",
        "04",
    ),
    Change(
        "a module assigned to the name of a buffer leaves the buffer",
        MODULE,
        "                    self._parameters,\n                    self._buffers,\n",
        "                    self._parameters,\n",
        "03 04",
    ),
    Change(
        "a tensor assigned to the name of a parameter becomes a Parameter",
        MODULE,
        "        elif params is not None and name in params:\n            if value is not None:\n",
        "        elif params is not None and name in params:\n"
        "            if isinstance(value, torch.Tensor):\n"
        "                value = Parameter(value)\n"
        "            elif value is not None:\n",
        "04",
    ),
    Change(
        "a plain tensor becomes a buffer",
        MODULE,
        "if isinstance(value, Buffer) or buffers is not None and name in buffers:\n",
        "if isinstance(value, torch.Tensor) or buffers and name in buffers:\n",
        "03 04",
    ),
    Change(
        "a new tensor for a non-persistent buffer makes it persistent",
        MODULE,
        "                        persistent = name not in self._non_persistent_buffers_set\n",
        "                        persistent = True\n",
        "03 04",
    ),
    Change(
        "deleting a buffer leaves the mark that it is not persistent",
        MODULE,
        "            del self._buffers[name]\n"
        "            self._non_persistent_buffers_set.discard(name)\n",
        "            del self._buffers[name]\n",
        "04 03 07",
    ),
    Change(
        "assigning a module leaves the mark of a non-persistent buffer",
        MODULE,
        "                    self._parameters,\n"
        "                    self._buffers,\n"
        "                    self._non_persistent_buffers_set,\n",
        "                    self._parameters,\n                    self._buffers,\n",
        "04 07",
    ),
    Change(
        "assigning a Parameter leaves the mark of a non-persistent buffer",
        MODULE,
        "                self._buffers,\n"
        "                self._modules,\n"
        "                self._non_persistent_buffers_set,\n",
        "                self._buffers,\n                self._modules,\n",
        "04 07",
    ),
    Change(
        "register_buffer forgets persistent=False",
        MODULE,
        "            if persistent:\n                self._non_persistent_buffers_set",
        "            if True:\n                self._non_persistent_buffers_set",
        "03",
    ),
    Change(
        "register_buffer replaces any attribute of that name",
        MODULE,
        "        elif hasattr(self, name) and name not in self._buffers:\n"
        "            raise KeyError(f\"attribute '{name}' already exists\")\n",
        "",
        "04",
    ),
    Change(
        "register_parameter takes what was computed",
        MODULE,
        "        elif param.grad_fn:\n            raise ValueError(\n",
        "        elif False:\n            raise ValueError(\n",
        "04 07",
    ),
    Change(
        "nn.Buffer is never persistent",
        PARAMETER,
        "        t.persistent = persistent\n",
        "        t.persistent = False\n",
        "03",
    ),
    Change(
        "a Parameter of a frozen tensor is frozen",
        PARAMETER,
        "return torch.Tensor._make_subclass(cls, data, requires_grad)\n\n        # Path",
        "return torch.Tensor._make_subclass(cls, data, data.requires_grad)\n\n        # Path",
        "02 03",
    ),
]

LISTING = [
    Change(
        "named_parameters counts a tied tensor twice",
        MODULE,
        "                if remove_duplicate:\n                    memo.add(v)\n",
        "",
        "02",
    ),
    Change(
        "named_parameters takes equal memory for the same parameter",
        MODULE,
        "                if v is None or v in memo:\n"
        "                    continue\n"
        "                if remove_duplicate:\n"
        "                    memo.add(v)\n",
        "                if v is None or v.data_ptr() in memo:\n"
        "                    continue\n"
        "                if remove_duplicate:\n"
        "                    memo.add(v.data_ptr())\n",
        "02",
    ),
    Change(
        "named_parameters lists the names in reverse",
        MODULE,
        "            members = get_members_fn(module)\n",
        "            members = reversed(get_members_fn(module))\n",
        "02 01",
    ),
    Change(
        "recurse=False is not heard",
        MODULE,
        "            if recurse\n            else [(prefix, self)]\n",
        "            if True\n            else [(prefix, self)]\n",
        "02",
    ),
    Change(
        "named_modules goes twice through a module that is used twice",
        MODULE,
        "            if remove_duplicate:\n                memo.add(self)\n",
        "",
        "02",
    ),
    Change(
        "children gives a module that is used twice twice",
        MODULE,
        "                memo.add(module)\n                yield name, module\n",
        "                yield name, module\n",
        "02 07",
    ),
    Change(
        "parameters is a list",
        MODULE,
        "        for _name, param in self.named_parameters(recurse=recurse):\n"
        "            yield param\n",
        "        return [param for _name, param in self.named_parameters(recurse=recurse)]\n",
        "02",
    ),
]

LIFE = [
    Change(
        "_apply replaces the parameters",
        MODULE,
        "return not torch.__future__.get_overwrite_module_params_on_conversion()\n",
        "return False\n",
        "03 06 02",
    ),
    Change(
        "_apply leaves the buffers",
        MODULE,
        "                self._buffers[key] = fn(buf)\n",
        "                pass\n",
        "03",
    ),
    Change(
        "_apply changes the buffers in place",
        MODULE,
        "                self._buffers[key] = fn(buf)\n",
        "                buf.data = fn(buf)\n",
        "03 06",
    ),
    Change(
        "module.zero_grad leaves zeros",
        MODULE,
        "    def zero_grad(self, set_to_none: bool = True) -> None:\n",
        "    def zero_grad(self, set_to_none: bool = False) -> None:\n",
        "01 03 02",
    ),
    Change(
        "optimizer.zero_grad leaves zeros",
        OPTIMIZER,
        "    def zero_grad(self, set_to_none: bool = True) -> None:\n",
        "    def zero_grad(self, set_to_none: bool = False) -> None:\n",
        "01 03 02",
    ),
    Change(
        "train does not reach the children",
        MODULE,
        "        for module in self.children():\n            module.train(mode)\n",
        "",
        "02 03 06",
    ),
    Change(
        "requires_grad_ turns only the own parameters",
        MODULE,
        "        for p in self.parameters():\n            p.requires_grad_(requires_grad)\n",
        "        for p in self.parameters(recurse=False):\n"
        "            p.requires_grad_(requires_grad)\n",
        "02",
    ),
    Change(
        "a BatchNorm counts its batches in eval, too",
        BATCHNORM,
        "        if self.training and self.track_running_stats:\n            # TODO",
        "        if self.track_running_stats:\n            # TODO",
        "03",
    ),
    Change(
        "a BatchNorm keeps its running mean out of the file",
        BATCHNORM,
        '                "running_mean", torch.zeros(num_features, **factory_kwargs)\n',
        '                "running_mean", torch.zeros(num_features, **factory_kwargs), False\n',
        "03 01",
    ),
    Change(
        "a copied Parameter shares its memory",
        PARAMETER,
        "self.data.clone(memory_format=torch.preserve_format), self.requires_grad\n",
        "self.data, self.requires_grad\n",
        "01 03 02",
    ),
    Change(
        "a copied Parameter forgets that it is frozen",
        PARAMETER,
        "self.data.clone(memory_format=torch.preserve_format), self.requires_grad\n",
        "self.data.clone(memory_format=torch.preserve_format)\n",
        "02 01 06",
    ),
]

AROUND = [
    Change(
        "an optimizer saves copies of its state",
        OPTIMIZER,
        "            (param_mappings[id(k)] if isinstance(k, torch.Tensor) else k): v\n",
        "            (param_mappings[id(k)] if isinstance(k, torch.Tensor) else k): deepcopy(v)\n",
        "01",
    ),
    Change(
        "an optimizer numbers each group from 0",
        OPTIMIZER,
        '            start_index += len(packed["params"])\n',
        "",
        "01 05",
    ),
    Change(
        "an optimizer leaves the type of loaded state as it is in the file",
        OPTIMIZER,
        "                return value.to(dtype=param.dtype, device=param.device)\n"
        "            else:\n                return value.to(device=param.device)\n",
        "                return value.clone()\n            else:\n"
        "                return value.clone()\n",
        "05 06",
    ),
    Change(
        "an optimizer takes the same parameter in two groups",
        OPTIMIZER,
        '        if not param_set.isdisjoint(set(param_group["params"])):\n',
        "        if False:\n",
        "02 06",
    ),
    Change(
        "SGD forgets its momentum",
        SGD,
        '                    state["momentum_buffer"] = momentum_buffer\n',
        "                    pass\n",
        "01 05",
    ),
    Change(
        "a list of parameters leaves plain tensors as they are",
        CONTAINER,
        "        if isinstance(param, torch.Tensor) and not isinstance(param, Parameter):\n"
        "            param = Parameter(param)\n"
        "        return setattr(self, str(idx), param)\n",
        "        return setattr(self, str(idx), param)\n",
        "06 02 04",
    ),
    Change(
        "Sequential counts its layers from 1",
        CONTAINER,
        "            for idx, module in enumerate(args):\n",
        "            for idx, module in enumerate(args, 1):\n",
        "01",
    ),
    Change(
        "a deletion from Sequential leaves a gap in the numbers",
        CONTAINER,
        "            key = self._get_item_by_idx(self._modules.keys(), idx)\n"
        "            delattr(self, key)\n"
        "        # To preserve numbering\n"
        "        str_indices = [str(i) for i in range(len(self._modules))]\n",
        "            key = self._get_item_by_idx(self._modules.keys(), idx)\n"
        "            delattr(self, key)\n"
        "        # To preserve numbering\n"
        "        str_indices = list(self._modules)\n",
        "05 06 01",
    ),
    Change(
        "torch.load runs code unless told otherwise",
        SERIALIZATION,
        "        weights_only = _default_to_weights_only(pickle_module)\n",
        "        weights_only = False\n",
        "05",
    ),
    Change(
        "torch.load never maps the file",
        SERIALIZATION,
        "                if mmap:\n                    if not _is_path(f):\n",
        "                if False:\n                    if not _is_path(f):\n",
        "05",
    ),
    Change(
        "torch.load does not hear map_location",
        SERIALIZATION,
        "def _get_restore_location(map_location):\n",
        "def _get_restore_location(map_location):\n    map_location = None\n",
        "05",
    ),
]

CHANGES = [*STATE_DICT, *LOADING, *ATTRIBUTES, *LISTING, *LIFE, *AROUND]
