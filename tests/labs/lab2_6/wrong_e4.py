"""Wrong answers to E4 in observing and calibrating."""

from __future__ import annotations

import torch
from torch import nn

from phase2_intermediate.lab6_model_export.solution import Observer, QParams, calibrate, choose_qparams
from tests.labs.answers import Answers

wrong = Answers()


def observing(**methods):
    return {"Observer": type("Observer", (Observer,), methods)}


@wrong("E4")
def absolute_values():
    return observing(observe=lambda self, x: Observer.observe(self, x.abs()))


@wrong("E4")
def symmetric_ranges():
    def qparams(self):
        Observer.qparams(self)
        size = torch.maximum(-self.range[0], self.range[1])
        return QParams(*choose_qparams(-size, size, bits=self.bits), self.bits)

    return observing(qparams=qparams)


@wrong("E4")
def a_default_before_anything():
    def qparams(self):
        return (
            Observer.qparams(self)
            if self.range is not None
            else QParams(torch.tensor(1.0), torch.tensor(0), 8)
        )

    return observing(qparams=qparams)


@wrong("E4")
def any_mode():
    class Changed(Observer):
        def __init__(self, mode="minmax", **how):
            super().__init__(mode if mode in ("minmax", "ema", "percentile", "mse") else "minmax", **how)

    return {"Observer": Changed}


@wrong("E4")
def eight_bits_for_the_search():
    def qparams(self):
        if self.mode != "mse":
            return Observer.qparams(self)
        fine = Observer("mse", bits=8)
        fine.range, fine.values = self.range, self.values
        found = fine.qparams()
        return QParams(found.scale * 255 / (2**self.bits - 1), torch.tensor(0, dtype=torch.int32), self.bits)

    return observing(qparams=qparams)


@wrong("E4")
def forgets_after_asking():
    def qparams(self):
        found = Observer.qparams(self)
        self.range, self.values = None, []
        return found

    return observing(qparams=qparams)


@wrong("E4")
def class_attributes():
    class Changed(Observer):
        everything: list = []  # noqa: RUF012 (the mistake)

        def __init__(self, mode="minmax", **how):
            super().__init__(mode, **how)
            self.values = Changed.everything

        def qparams(self):
            if not self.values and self.range is None:
                raise ValueError("nothing")
            if self.mode != "minmax":
                return super().qparams()
            low = torch.cat([*self.values, self.range[0].reshape(1)]).min()
            high = torch.cat([*self.values, self.range[1].reshape(1)]).max()
            return QParams(*choose_qparams(low, high, bits=self.bits), self.bits)

        def observe(self, x):
            super().observe(x)
            if self.mode == "minmax":
                self.values.append(x.detach().double().flatten())

    return {"Observer": Changed}


@wrong("E4")
def median_percentile():
    class Changed(Observer):
        def __init__(self, mode="minmax", *, bits=8, percentile=99.9, momentum=0.9):
            super().__init__(mode, bits=bits, percentile=(percentile + 100) / 2, momentum=momentum)

    return {"Observer": Changed}


@wrong("E4")
def percentile_from_zero():
    def qparams(self):
        if self.mode != "percentile" or self.range is None:
            return Observer.qparams(self)
        high = torch.quantile(torch.cat(self.values), self.percentile / 100)
        return QParams(*choose_qparams(torch.minimum(self.range[0], high), high, bits=self.bits), self.bits)

    return observing(qparams=qparams)


@wrong("E4")
def empty_tensors_crash():
    def observe(self, x):
        x.min()
        Observer.observe(self, x)

    return observing(observe=observe)


@wrong("E4")
def plain_mean_of_ranges():
    class Changed(Observer):
        def observe(self, x):
            if self.mode == "ema" and x.numel():
                self.count = getattr(self, "count", 0) + 1
                self.momentum = 1 - 1 / self.count
            super().observe(x)

    return {"Observer": Changed}


@wrong("E4")
def qparams_as_a_tuple():
    return observing(qparams=lambda self: (lambda p: (p.scale, p.zero_point))(Observer.qparams(self)))


def calibrating(
    *, kinds=(nn.Conv2d, nn.Linear), limit=None, remove=True, evaluate=True, top=False, gradients=False
):
    def other(model, batches, mode="minmax", *, bits=8):
        modules = model.named_children() if top else model.named_modules()
        layers = {n: m for n, m in modules if isinstance(m, kinds)}
        observers = {n: Observer(mode, bits=bits) for n in layers}
        handles = [
            m.register_forward_pre_hook(lambda m, x, o=observers[n]: o.observe(x[0]))
            for n, m in layers.items()
        ]
        modes = {m: m.training for m in model.modules()}
        with torch.set_grad_enabled(gradients):
            model.eval() if evaluate else None
            for i, batch in enumerate(batches):
                if limit is None or i < limit:
                    model(batch)
        for handle in handles if remove else []:
            handle.remove()
        for m, training in modes.items():
            m.training = training
        return {n: o.qparams() for n, o in observers.items()}

    return {"calibrate": other}


@wrong("E4")
def linear_layers_only():
    return calibrating(kinds=(nn.Linear,))


@wrong("E4")
def top_level_only():
    return calibrating(top=True)


@wrong("E4")
def all_modules():
    return calibrating(kinds=(nn.Conv2d, nn.Linear, nn.ReLU))


@wrong("E4")
def the_first_batch():
    return calibrating(limit=1)


@wrong("E4")
def hooks_stay():
    return calibrating(remove=False)


@wrong("E4")
def with_gradients():
    return calibrating(gradients=True)


@wrong("E4")
def in_training_mode():
    return calibrating(evaluate=False)


@wrong("E4")
def stays_in_evaluation_mode():
    def other(model, batches, mode="minmax", *, bits=8):
        found = calibrate(model, batches, mode, bits=bits)
        model.eval()
        return found

    return {"calibrate": other}


@wrong("E4")
def always_eight_bits():
    return {"calibrate": lambda model, batches, mode="minmax", *, bits=8: calibrate(model, batches, mode)}


@wrong("E4")
def ranges_instead_of_qparams():
    def other(model, batches, mode="minmax", *, bits=8):
        return list(calibrate(model, batches, mode, bits=bits).values())

    return {"calibrate": other}
