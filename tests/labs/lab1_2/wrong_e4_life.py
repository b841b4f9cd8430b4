"""Wrong answers to E4, third part: gradients, names, and the life of hooks."""

from __future__ import annotations

import math

from torch import Tensor, nn

from phase1_foundations.lab2_nn_module.solution import ActivationProbe as Reference
from phase1_foundations.lab2_nn_module.solution import LayerStats, tensors_in
from tests.labs.answers import Answers

wrong = Answers()


def one(name, probe, named=True):
    wrong.add("E4", name, lambda: {"ActivationProbe": probe}, named=named)


def step(stats, tensor):
    stats.add(tensor.detach())


def stats_with(**members):
    return type("Stats", (LayerStats,), members)


def life(**methods):
    return type("ActivationProbe", (Reference,), methods)


# ---- gradients ------------------------------------------------------------------------------------------


def gradients(add, result=lambda stats: math.sqrt(stats.grad_square)):
    """A probe that does `add(stats, gradient, module)` when a gradient arrives."""

    class Stats(LayerStats):
        @property
        def grad_norm(self):
            return result(self)

    class ActivationProbe(Reference):
        def _watch(self, name):
            def hook(module, inputs, output):
                stats = self.stats.setdefault(name, Stats())
                for tensor in tensors_in(output):
                    stats.add(tensor.detach())
                    if tensor.requires_grad:
                        tensor.register_hook(lambda g: add(stats, g, module) if self._open else None)

            return hook

    return ActivationProbe


def changes(stats, **values):
    for name, value in values.items():
        setattr(stats, name, value)


def square(g):
    return float(g.double().square().sum())


one("grad_of_the_last_pass", gradients(lambda s, g, m: changes(s, grad_square=square(g))))
one(
    "grad_norms_added",
    gradients(
        lambda s, g, m: changes(s, grad_square=s.grad_square + square(g) ** 0.5), lambda s: s.grad_square
    ),
)
one(
    "grad_sum_of_squares",
    gradients(lambda s, g, m: changes(s, grad_square=s.grad_square + square(g)), lambda s: s.grad_square),
)
one(
    "grad_absolute_values",
    gradients(
        lambda s, g, m: changes(s, grad_square=s.grad_square + float(g.abs().sum())), lambda s: s.grad_square
    ),
)
one(
    "grad_mean",
    gradients(lambda s, g, m: changes(s, grad_square=s.grad_square + float(g.double().square().mean()))),
)
one(
    "grad_largest",
    gradients(
        lambda s, g, m: changes(s, grad_square=max(s.grad_square, square(g) ** 0.5)), lambda s: s.grad_square
    ),
)
one(
    "grad_nan_before",
    gradients(
        lambda s, g, m: changes(s, grad_square=s.grad_square + square(g)),
        lambda s: math.sqrt(s.grad_square) if s.grad_square else math.nan,
    ),
)
one(
    "grad_none_before",
    gradients(
        lambda s, g, m: changes(s, grad_square=s.grad_square + square(g)),
        lambda s: math.sqrt(s.grad_square) if s.grad_square else None,
    ),
)
one(
    "grad_is_clipped",
    gradients(lambda s, g, m: (changes(s, grad_square=s.grad_square + square(g)), g.clamp(-0.1, 0.1))[1]),
)
one("grad_never", gradients(lambda s, g, m: None))


@wrong("E4")
def grad_of_the_weights():
    class ActivationProbe(Reference):
        def __exit__(self, *exception):
            for name, stats in self.stats.items():
                own = self.model.get_submodule(name).weight.grad
                stats.grad_square = 0.0 if own is None else square(own)
            super().__exit__(*exception)

    return {"ActivationProbe": ActivationProbe}


# ---- life -----------------------------------------------------------------------------------------------


def hooks_at_once(self, model, types=(nn.Linear, nn.Conv2d)):
    self.model, self.types, self.stats, self._handles, self._open = model, types, {}, [], True
    Reference.__enter__(self)


def all_entries(self):
    Reference.__enter__(self)
    for name, module in self.model.named_modules():
        if isinstance(module, self.types):
            self.stats[name] = LayerStats()
    return self


def short_names(self):
    self._open = True
    for name, module in self.model.named_modules():
        if isinstance(module, self.types):
            self._handles.append(module.register_forward_hook(self._watch(name.split(".")[-1])))
    return self


def children_only(self):
    self._open = True
    for name, module in self.model.named_children():
        if isinstance(module, self.types):
            self._handles.append(module.register_forward_hook(self._watch(name)))
    return self


def exact_types(self):
    self._open = True
    for name, module in self.model.named_modules():
        if type(module) in self.types:
            self._handles.append(module.register_forward_hook(self._watch(name)))
    return self


def linear_always(self):
    self._open = True
    for name, module in self.model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            self._handles.append(module.register_forward_hook(self._watch(name)))
    return self


def every_module(self):
    self._open = True
    for name, module in self.model.named_modules():
        self._handles.append(module.register_forward_hook(self._watch(name)))
    return self


def without_the_root(self):
    self._open = True
    for name, module in self.model.named_modules():
        if name and isinstance(module, self.types):
            self._handles.append(module.register_forward_hook(self._watch(name)))
    return self


def into_evaluation(self):
    self.model.eval()
    return Reference.__enter__(self)


def swallows(self, *exception):
    Reference.__exit__(self, *exception)
    return True


def removes_the_last(self, *exception):
    self._open = False
    if self._handles:
        self._handles[-1].remove()


def clears_gradients(self, *exception):
    Reference.__exit__(self, *exception)
    self.model.zero_grad()


one("hooks_at_once", life(__init__=hooks_at_once, __enter__=lambda self: self))
one("enter_gives_stats", life(__enter__=lambda self: Reference.__enter__(self).stats))
one("enter_gives_nothing", life(__enter__=lambda self: (Reference.__enter__(self), None)[1]))
one("all_entries", life(__enter__=all_entries))
one("short_names", life(__enter__=short_names))
one("children_only", life(__enter__=children_only))
one("exact_types", life(__enter__=exact_types))
one("linear_always", life(__enter__=linear_always))
one("every_module", life(__enter__=every_module))
one("without_the_root", life(__enter__=without_the_root))
one("into_evaluation", life(__enter__=into_evaluation))
one("swallows", life(__exit__=swallows))
one("removes_the_last", life(__exit__=removes_the_last))
one("clears_gradients", life(__exit__=clears_gradients))


@wrong("E4")
def stats_are_dicts():
    class ActivationProbe(Reference):
        def __exit__(self, *exception):
            super().__exit__(*exception)
            self.stats = {name: {"n": s.n, "mean": s.mean, "std": s.std} for name, s in self.stats.items()}

    return {"ActivationProbe": ActivationProbe}


@wrong("E4")
def each_call_anew():
    class ActivationProbe(Reference):
        def _watch(self, name):
            def hook(module, inputs, output):
                self.stats[name] = LayerStats()
                for tensor in tensors_in(output):
                    self.stats[name].add(tensor.detach())

            return hook

    return {"ActivationProbe": ActivationProbe}


@wrong("E4")
def tensors_alone():
    class ActivationProbe(Reference):
        def _watch(self, name):
            sound = super()._watch(name)
            return lambda module, inputs, output: (
                sound(module, inputs, output) if isinstance(output, Tensor) else None
            )

    return {"ActivationProbe": ActivationProbe}


@wrong("E4")
def first_of_a_tuple():
    class ActivationProbe(Reference):
        def _watch(self, name):
            sound = super()._watch(name)
            return lambda m, i, output: sound(m, i, output[0] if isinstance(output, tuple) else output)

    return {"ActivationProbe": ActivationProbe}
