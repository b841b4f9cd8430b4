"""Wrong answers to E1: the reference with one mistake at a time."""

import torch
from torch import Tensor, nn

from courseware.check import misconception
from phase1_foundations.lab2_nn_module.solution import MiniModule as Sound


def joined(path, name):
    return f"{path}.{name}" if path else name


@misconception("E1", diagnosis="torch-does-the-work")
def inherits_from_torch():
    class MiniModule(nn.Module):
        def named_modules(self, prefix=""):
            return super().named_modules(prefix=prefix)

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="buffers-are-parameters")
def buffers_among_the_parameters():
    class MiniModule(Sound):
        def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
            yield from super().named_parameters(prefix, recurse, remove_duplicate)
            yield from self.named_buffers(prefix)

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="tied-listed-twice")
def every_name_is_listed():
    class MiniModule(Sound):
        def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
            return super().named_parameters(prefix, recurse, remove_duplicate=False)

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="equal-is-taken-for-tied")
def remembers_values():
    class MiniModule(Sound):
        def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
            seen = []
            for name, parameter in super().named_parameters(prefix, recurse, remove_duplicate=False):
                if remove_duplicate and any(torch.equal(parameter, other) for other in seen):
                    continue
                seen.append(parameter)
                yield name, parameter

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="order")
def children_first():
    class MiniModule(Sound):
        def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
            own = list(super().named_parameters(prefix, False, remove_duplicate))
            everything = list(super().named_parameters(prefix, recurse, remove_duplicate))
            return iter(everything[len(own) :] + own)

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="load-rebinds")
def puts_new_parameters_in_place():
    class MiniModule(Sound):
        def load_state_dict(self, sd, strict=True):
            own = self.state_dict()
            missing, unexpected = [n for n in own if n not in sd], [n for n in sd if n not in own]
            if strict and (missing or unexpected):
                raise RuntimeError(f"missing {missing}, unexpected {unexpected}")
            for path, module in self.named_modules():
                for registry, kind in ((module._parameters, nn.Parameter), (module._buffers, Tensor.clone)):
                    for name, old in registry.items():
                        value = sd.get(joined(path, name))
                        if value is not None and value.shape != old.shape:
                            raise RuntimeError(f"{name}: {value.shape} for {old.shape}")
                        if value is not None:
                            registry[name] = kind(value.to(old.dtype))
            return missing, unexpected

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="train-stops-at-the-top")
def sets_its_own_flag():
    class MiniModule(Sound):
        def train(self, mode=True):
            self.training = mode
            return self

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="not-persistent-is-saved")
def forgets_persistent():
    class MiniModule(Sound):
        def register_buffer(self, name, tensor, persistent=True):
            super().register_buffer(name, tensor)

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="silent-on-missing-keys")
def never_raises():
    class MiniModule(Sound):
        def load_state_dict(self, sd, strict=True):
            return super().load_state_dict(sd, strict=False)

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="a-list-is-registered")
def looks_into_lists():
    class MiniModule(Sound):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if isinstance(value, list):
                for i, item in enumerate(value):
                    if isinstance(item, Sound):
                        super().__setattr__(f"{name}_{i}", item)

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="getattr-calls-itself")
def reads_the_registry_as_an_attribute():
    class MiniModule(Sound):
        def __getattr__(self, name):
            for registry in (self._parameters, self._buffers, self._modules):
                if name in registry:
                    return registry[name]
            raise AttributeError(name)

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="any-tensor-becomes-a-parameter")
def registers_every_tensor():
    class MiniModule(Sound):
        def __setattr__(self, name, value):
            taken = name in self.__dict__.get("_parameters", {}) or name in self.__dict__.get("_buffers", {})
            if isinstance(value, Tensor) and not isinstance(value, nn.Parameter) and not taken:
                value = nn.Parameter(value, requires_grad=value.is_floating_point())
            super().__setattr__(name, value)

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="parameter-replaced-by-a-tensor")
def lets_tensors_take_the_place():
    class MiniModule(Sound):
        def __setattr__(self, name, value):
            if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                self.__dict__.get("_parameters", {}).pop(name, None)
            super().__setattr__(name, value)

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="shape-mismatch-broadcasts")
def copies_whatever_fits():
    class MiniModule(Sound):
        def load_state_dict(self, sd, strict=True):
            own = self.state_dict()
            missing, unexpected = [n for n in own if n not in sd], [n for n in sd if n not in own]
            if strict and (missing or unexpected):
                raise RuntimeError(f"missing {missing}, unexpected {unexpected}")
            for name in own:
                if name in sd:
                    own[name].copy_(sd[name])
            return missing, unexpected

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="state-requires-a-gradient")
def saves_the_parameters_themselves():
    class MiniModule(Sound):
        def state_dict(self):
            return super().state_dict() | dict(self.named_parameters(remove_duplicate=False))

        def load_state_dict(self, sd, strict=True):
            with torch.no_grad():
                return super().load_state_dict(sd, strict)

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="to-rebinds")
def converts_into_new_parameters():
    class MiniModule(Sound):
        def to(self, dtype):
            for _, module in self.named_modules():
                for name, p in module._parameters.items():
                    if p is not None and p.is_floating_point():
                        module._parameters[name] = nn.Parameter(p.detach().to(dtype))
                for name, b in module._buffers.items():
                    if b is not None and b.is_floating_point():
                        module._buffers[name] = b.to(dtype)
            return self

    return {"MiniModule": MiniModule}


@misconception("E1", diagnosis="shared-between-instances")
def registries_in_the_class():
    class MiniModule(Sound):
        _parameters, _buffers, _modules, _not_saved = {}, {}, {}, set()

        def __init__(self):
            object.__setattr__(self, "training", True)
            for name in ("_parameters", "_buffers", "_modules", "_not_saved"):
                self.__dict__[name] = getattr(type(self), name)

    return {"MiniModule": MiniModule}
