"""Wrong answers to E1, second part: what is saved, loaded and converted."""

from __future__ import annotations

import torch

from phase1_foundations.lab2_nn_module.solution import MiniModule as Reference
from tests.labs.answers import Answers

wrong = Answers()


def variation(name, named=True, **methods):
    """The reference with some methods written wrongly."""

    wrong.add(
        "E1", name, lambda: {"MiniModule": type("MiniModule", (Reference,), dict(methods))}, named=named
    )


def join(prefix, name):
    return f"{prefix}.{name}" if prefix else name


# ---- state ----------------------------------------------------------------------------------------------


def unsaved_parameters_too(self):
    return {n: p.detach() for n, p in self.named_parameters()}


def state_of_parameters_first(self):
    state = {n: p.detach() for n, p in self.named_parameters(remove_duplicate=False)}
    return state | {n: t for n, t in Reference.state_dict(self).items() if n not in state}


def tied_once(self):
    state = Reference.state_dict(self)
    kept = {n for n, _ in self.named_parameters()} | {n for n, _ in self.named_buffers()}
    return {n: t for n, t in state.items() if n in kept}


def loads(name, change, named=True):
    def load_state_dict(self, sd, strict=True):
        return change(self, sd, strict)

    variation(name, named=named, load_state_dict=load_state_dict)


def lists(self, sd):
    own = self.state_dict()
    return own, [n for n in own if n not in sd], [n for n in sd if n not in own]


def copies(self, sd):
    own = self.state_dict()
    for n in own:
        if n in sd and own[n].shape != sd[n].shape:
            raise RuntimeError(f"shape of {n}")
    for n in own:
        if n in sd:
            own[n].copy_(sd[n])


def only_missing_counts(self, sd, strict):
    _, missing, unexpected = lists(self, sd)
    if strict and missing:
        raise RuntimeError(f"missing {missing}")
    copies(self, sd)
    return missing, unexpected


def exchanged(self, sd, strict):
    missing, unexpected = Reference.load_state_dict(self, sd, strict)
    return unexpected, missing


def nothing_returned(self, sd, strict):
    Reference.load_state_dict(self, sd, strict)


def key_error_when_missing(self, sd, strict):
    own = self.state_dict()
    for n in own:
        if own[n].shape != sd[n].shape:
            raise RuntimeError(n)
        own[n].copy_(sd[n])
    unexpected = [n for n in sd if n not in own]
    if strict and unexpected:
        raise RuntimeError(str(unexpected))
    return [], unexpected


def message_without_names(self, sd, strict):
    _, missing, unexpected = lists(self, sd)
    if strict and (missing or unexpected):
        raise RuntimeError("the keys do not match")
    copies(self, sd)
    return missing, unexpected


def value_error(self, sd, strict):
    _, missing, unexpected = lists(self, sd)
    if strict and (missing or unexpected):
        raise ValueError(f"missing {missing}, unexpected {unexpected}")
    copies(self, sd)
    return missing, unexpected


def takes_the_data(self, sd, strict):
    Reference.load_state_dict(self, sd, strict)
    for path, module in self.named_modules():
        for n, p in module._parameters.items():
            if p is not None and join(path, n) in sd:
                p.data = sd[join(path, n)].detach()
    own = self.state_dict()
    return [n for n in own if n not in sd], [n for n in sd if n not in own]


def elements_count(self, sd, strict):
    own, missing, unexpected = lists(self, sd)
    if strict and (missing or unexpected):
        raise RuntimeError(f"missing {missing}, unexpected {unexpected}")
    for n in own:
        if n in sd:
            if own[n].numel() != sd[n].numel():
                raise RuntimeError(n)
            own[n].copy_(sd[n].reshape(own[n].shape))
    return missing, unexpected


def shapes_only_if_strict(self, sd, strict):
    if strict:
        return Reference.load_state_dict(self, sd, strict)
    own, missing, unexpected = lists(self, sd)
    fits = {n: v for n, v in sd.items() if n in own and own[n].shape == v.shape}
    copies(self, fits)
    return missing, unexpected


def not_strict_loads_nothing(self, sd, strict):
    _, missing, unexpected = lists(self, sd)
    if strict or not (missing or unexpected):
        return Reference.load_state_dict(self, sd, strict)
    return missing, unexpected


def parameters_only_loaded(self, sd, strict):
    mine = dict(self.named_parameters())
    result = lists(self, sd)[1:]
    if strict and any(result):
        raise RuntimeError(str(result))
    with torch.no_grad():
        for n, p in mine.items():
            if n in sd:
                if p.shape != sd[n].shape:
                    raise RuntimeError(n)
                p.copy_(sd[n])
    return result


variation("parameters_saved_alone", state_dict=unsaved_parameters_too)
variation("parameters_of_all_first", state_dict=state_of_parameters_first)
variation("tied_once", state_dict=tied_once)
variation("clones", state_dict=lambda self: {n: t.clone() for n, t in Reference.state_dict(self).items()})
loads("only_missing_counts", only_missing_counts)
loads("exchanged", exchanged)
loads("nothing_returned", nothing_returned)
loads("key_error_when_missing", key_error_when_missing)
loads("message_without_names", message_without_names)
loads("value_error", value_error)
loads("takes_the_data", takes_the_data)
loads("elements_count", elements_count)
loads("shapes_only_if_strict", shapes_only_if_strict)
loads("not_strict_loads_nothing", not_strict_loads_nothing)
loads("parameters_only_loaded", parameters_only_loaded)


# ---- to -------------------------------------------------------------------------------------------------


def to_of_everything(self, dtype):
    for _, module in self.named_modules():
        for registry in (module._parameters, module._buffers):
            for t in registry.values():
                if t is not None:
                    t.data = t.data.to(dtype)
    return self


def to_of_its_own(self, dtype):
    for t in [*self._parameters.values(), *self._buffers.values()]:
        if t is not None and t.is_floating_point():
            t.data = t.data.to(dtype)
    return self


def to_of_parameters(self, dtype):
    for _, p in self.named_parameters():
        p.data = p.data.to(dtype)
    return self


def to_returns_nothing(self, dtype):
    Reference.to(self, dtype)


def to_does_nothing(self, dtype):
    for p in self.parameters():
        p.to(dtype)
    return self


variation("to_of_everything", to=to_of_everything)
variation("to_of_its_own", to=to_of_its_own)
variation("to_of_parameters", to=to_of_parameters)
variation("to_returns_nothing", to=to_returns_nothing)
variation("to_does_nothing", to=to_does_nothing)
