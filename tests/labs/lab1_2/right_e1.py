"""Right answers to E1, written otherwise than the reference."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tests.labs.answers import Answers

right = Answers()


def base():
    """What the notebook gives: parameters, eval, __call__."""

    class Given:
        training: bool

        def parameters(self):
            return (p for _, p in self.named_parameters())

        def eval(self):
            return self.train(False)

        def __call__(self, *args, **kwargs):
            return self.forward(*args, **kwargs)

    return Given


@right("E1")
def one_dict_of_entries():
    @dataclass
    class Entry:
        kind: str
        value: Any
        saved: bool = True

    class MiniModule(base()):
        def __init__(self):
            self.__dict__["entries"] = {}
            self.__dict__["training"] = True

        def __setattr__(self, name, value):
            kinds = {nn.Parameter: "parameter", MiniModule: "child"}
            kind = next((word for type_, word in kinds.items() if isinstance(value, type_)), None)
            entries = self.__dict__.get("entries")
            if kind and entries is None:
                raise AttributeError("call super().__init__() first")
            if entries is None:
                self.__dict__[name] = value
                return
            old = entries.get(name)
            if kind:
                self.__dict__.pop(name, None)
                if old is not None and old.kind == kind:
                    old.value = value
                else:
                    entries.pop(name, None)
                    entries[name] = Entry(kind, value)
            elif old is None:
                self.__dict__[name] = value
            elif value is None or (old.kind == "buffer" and isinstance(value, Tensor)):
                old.value = value
            else:
                raise TypeError(f"{name} is a {old.kind}")

        def __getattr__(self, name):
            entries = self.__dict__.get("entries", {})
            if name not in entries:
                raise AttributeError(name)
            return entries[name].value

        def __delattr__(self, name):
            if name in self.__dict__.get("entries", {}):
                del self.entries[name]
            else:
                object.__delattr__(self, name)

        def register_buffer(self, name, tensor, persistent=True):
            if "entries" not in self.__dict__:
                raise AttributeError("register_buffer before super().__init__()")
            self.__dict__.pop(name, None)
            self.entries[name] = Entry("buffer", tensor, persistent)

        def of(self, kind):
            return [(n, e) for n, e in self.entries.items() if e.kind == kind and e.value is not None]

        def everything(self, kind, path):
            for name, entry in self.of(kind):
                yield path + name, entry
            for name, entry in self.of("child"):
                yield from entry.value.everything(kind, path + name + ".")

        def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
            path = prefix + "." if prefix else ""
            found = (
                self.everything("parameter", path)
                if recurse
                else ((path + n, e) for n, e in self.of("parameter"))
            )
            seen = set()
            for name, entry in found:
                if not (remove_duplicate and entry.value in seen):
                    seen.add(entry.value)  # tensors hash by identity
                    yield name, entry.value

        def named_buffers(self, prefix=""):
            done = {}
            for name, entry in self.everything("buffer", prefix + "." if prefix else ""):
                done.setdefault(id(entry.value), (name, entry.value))
            return iter(done.values())

        def named_modules(self, prefix=""):
            done = {id(self): (prefix, self)}

            def down(module, path):
                for name, entry in module.of("child"):
                    if id(entry.value) not in done:
                        done[id(entry.value)] = (path + name, entry.value)
                        down(entry.value, path + name + ".")

            down(self, prefix + "." if prefix else "")
            return iter(list(done.values()))

        def state_dict(self, path=""):
            out = OrderedDict()
            for kind in ("parameter", "buffer"):
                for name, entry in self.of(kind):
                    if entry.saved:
                        out[path + name] = entry.value.data
            for name, entry in self.of("child"):
                out.update(entry.value.state_dict(path + name + "."))
            return out

        def load_state_dict(self, sd, strict=True):
            own = self.state_dict()
            missing, unexpected = sorted(own.keys() - sd.keys()), sorted(sd.keys() - own.keys())
            if strict and missing + unexpected:
                raise RuntimeError(f"{missing} {unexpected}")
            for name, value in sd.items():
                if name in own and tuple(own[name].shape) != tuple(value.shape):
                    raise RuntimeError(name)
            for name, value in sd.items():
                if name in own:
                    own[name][...] = value
            return missing, unexpected

        def train(self, mode=True):
            self.training = mode
            for _, entry in self.of("child"):
                entry.value.train(mode)
            return self

        def to(self, dtype):
            for _, p in self.named_parameters():
                if p.dtype.is_floating_point:
                    p.data = p.data.to(dtype)
            for _, b in self.named_buffers():
                if b.dtype.is_floating_point:
                    b.data = b.data.to(dtype)
            return self

    return {"MiniModule": MiniModule}


@right("E1")
def values_stay_in_the_dict():
    """Registries hold kinds only; the values are ordinary attributes."""

    class MiniModule(base()):
        def __init__(self):
            self.__dict__.update(training=True, kinds={}, unsaved=set())

        @staticmethod
        def kind_of(value):
            return "p" if isinstance(value, nn.Parameter) else "m" if isinstance(value, MiniModule) else None

        def __setattr__(self, name, value):
            kind, kinds = self.kind_of(value), self.__dict__.get("kinds")
            if kind and kinds is None:
                raise AttributeError("__init__ of MiniModule has not run")
            if kind:
                if kinds.get(name) != kind:
                    kinds.pop(name, None)
                kinds[name] = kind
            elif (kinds or {}).get(name, "b") != "b" and value is not None:
                raise TypeError(f"{name} is registered already")
            elif name in (kinds or {}) and not isinstance(value, Tensor | None):
                raise TypeError(f"{name} is a buffer")
            self.__dict__[name] = value

        def __delattr__(self, name):
            super().__delattr__(name)
            self.kinds.pop(name, None)
            self.unsaved.discard(name)

        def register_buffer(self, name, tensor, persistent=True):
            if "kinds" not in vars(self):
                raise AttributeError("no __init__ yet")
            self.kinds.pop(name, None)
            self.kinds[name] = "b"
            self.__dict__[name] = tensor
            if not persistent:
                self.unsaved.add(name)

        def own(self, kind):
            return [
                (n, self.__dict__[n])
                for n, k in self.kinds.items()
                if k == kind and self.__dict__[n] is not None
            ]

        def paths(self, prefix):
            """Every place in the tree, shared children twice; without recursion."""
            waiting, found = [(prefix, self)], []
            while waiting:
                path, module = waiting.pop()
                found.append((path, module))
                waiting += [(f"{path}.{n}".lstrip("."), m) for n, m in reversed(module.own("m"))]
            return found

        def walk(self, kind, prefix):
            for path, module in self.paths(prefix):
                for name, value in module.own(kind):
                    yield ".".join(filter(None, (path, name))), value

        @staticmethod
        def once(pairs):
            seen = []
            for name, value in pairs:
                if not any(value is other for other in seen):
                    seen.append(value)
                    yield name, value

        def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
            pairs = (
                self.walk("p", prefix)
                if recurse
                else [(".".join(filter(None, (prefix, n))), p) for n, p in self.own("p")]
            )
            return self.once(pairs) if remove_duplicate else iter(pairs)

        def named_buffers(self, prefix=""):
            return self.once(self.walk("b", prefix))

        def named_modules(self, prefix=""):
            return self.once(self.paths(prefix))

        def state_dict(self):
            state = {}
            for path, module in self.paths(""):
                for name, value in module.own("p") + module.own("b"):
                    if name not in module.unsaved:
                        state[".".join(filter(None, (path, name)))] = value.detach()
            return state

        def load_state_dict(self, sd, strict=True):
            own = self.state_dict()
            lists = [n for n in own if n not in sd], [n for n in sd if n not in own]
            if strict and any(lists):
                raise RuntimeError("missing {}, unexpected {}".format(*lists))
            both = [n for n in own if n in sd]
            bad = [n for n in both if own[n].shape != sd[n].shape]
            if bad:
                raise RuntimeError(f"shapes of {bad}")
            with torch.no_grad():
                for name in both:
                    own[name].copy_(sd[name])
            return lists

        def train(self, mode=True):
            for _, module in self.paths(""):
                object.__setattr__(module, "training", mode)
            return self

        def to(self, dtype):
            for kind in "pb":
                for _, value in self.walk(kind, ""):
                    if value.is_floating_point():
                        value.data = value.data.to(dtype)
            return self

    return {"MiniModule": MiniModule}
