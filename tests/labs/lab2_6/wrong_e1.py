"""Wrong answers to E1."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from phase2_intermediate.lab6_model_export.solution import ExportableNet, GatedNet, export_dynamic, parity
from tests.labs.answers import Answers

wrong = Answers()


def net(forward):
    return {"ExportableNet": type("ExportableNet", (ExportableNet,), {"forward": forward})}


@wrong("E1")
def always_bright():
    def forward(self, x):
        s = self.out(self.dropout(torch.relu(self.bright(x))))
        return s - s.mean(dim=0)

    return net(forward)


@wrong("E1")
def not_centred():
    def forward(self, x):
        h = torch.where(x.mean() > self.threshold, self.bright(x).relu(), self.dark(x).tanh())
        return self.out(self.dropout(h))

    return net(forward)


@wrong("E1")
def centred_over_classes():
    def forward(self, x):
        h = torch.where(x.mean() > self.threshold, self.bright(x).relu(), self.dark(x).tanh())
        s = self.out(self.dropout(h))
        return s - s.mean(dim=1, keepdim=True)

    return net(forward)


@wrong("E1")
def branches_exchanged():
    def forward(self, x):
        h = torch.where(x.mean() > self.threshold, self.dark(x).tanh(), self.bright(x).relu())
        s = self.out(self.dropout(h))
        return s - s.mean(dim=0)

    return net(forward)


@wrong("E1")
def threshold_of_zero():
    def forward(self, x):
        h = torch.where(x.mean() > 0, self.bright(x).relu(), self.dark(x).tanh())
        s = self.out(self.dropout(h))
        return s - s.mean(dim=0)

    return net(forward)


@wrong("E1")
def activations_exchanged():
    def forward(self, x):
        h = torch.where(x.mean() > self.threshold, self.bright(x).tanh(), self.dark(x).relu())
        s = self.out(self.dropout(h))
        return s - s.mean(dim=0)

    return net(forward)


@wrong("E1")
def no_dropout():
    def forward(self, x):
        h = torch.where(x.mean() > self.threshold, self.bright(x).relu(), self.dark(x).tanh())
        s = self.out(h)
        return s - s.mean(dim=0)

    return net(forward)


@wrong("E1")
def gate_by_element():
    def forward(self, x):
        h = torch.where(self.bright(x) > self.threshold, self.bright(x).relu(), self.dark(x).tanh())
        s = self.out(self.dropout(h))
        return s - s.mean(dim=0)

    return net(forward)


@wrong("E1")
def still_a_loop():
    def forward(self, x):
        h = torch.where(x.mean() > self.threshold, self.bright(x).relu(), self.dark(x).tanh())
        rows = [self.out(self.dropout(h[i])) for i in range(x.shape[0])]
        s = torch.stack(rows)
        return s - s.mean(dim=0)

    return net(forward)


@wrong("E1")
def other_names():
    class Net(nn.Module):
        def __init__(self, features=6, hidden=8, threshold=0.0):
            super().__init__()
            self.a, self.b, self.c = (
                nn.Linear(features, hidden),
                nn.Linear(features, hidden),
                nn.Linear(hidden, 3),
            )
            self.t = threshold

        def forward(self, x):
            s = self.c(torch.where(x.mean() > self.t, self.a(x).relu(), self.b(x).tanh()))
            return s - s.mean(dim=0)

    return {"ExportableNet": Net}


@wrong("E1")
def bool_of_the_gate():
    class Net(GatedNet):
        def forward(self, x):
            h = self.bright_branch(x) if bool(x.mean() > self.threshold) else self.dark_branch(x)
            s = self.out(self.dropout(h))
            return s - s.mean(dim=0)

    return {"ExportableNet": Net}


def exporting(*, high=4096, evaluate=True, restore=True, repeat=True, axes=None, copies=False):
    def export(model, example, dims):
        names = {n: torch.export.Dim(n, min=1, max=high) for n in dims.values()}
        if repeat:
            for axis in dims:
                if example.shape[axis] == 1:
                    example = example.repeat_interleave(2, dim=axis)
        modes = {m: m.training for m in model.modules()}
        if evaluate:
            model.eval()
        if copies:
            shapes = {a: torch.export.Dim(f"{n}{a}", min=1, max=high) for a, n in dims.items()}
        else:
            shapes = {a: names[n] for a, n in dims.items()} if axes is None else axes(names)
        try:
            return torch.export.export(model, (example,), dynamic_shapes=(shapes,))
        finally:
            if restore:
                for m, mode in modes.items():
                    m.training = mode

    return {"export_dynamic": export}


@wrong("E1")
def at_most_sixty_four():
    return exporting(high=64)


@wrong("E1")
def always_axis_zero():
    return exporting(axes=lambda names: dict.fromkeys([0][: len(names)], next(iter(names.values()), None)))


@wrong("E1")
def a_dim_for_each_axis():
    return exporting(copies=True)


@wrong("E1")
def back_to_training_whatever_it_was():
    def export(model, example, dims):
        program = export_dynamic(model, example, dims)
        model.train()
        return program

    return {"export_dynamic": export}


@wrong("E1")
def a_module_instead_of_a_program():
    return {"export_dynamic": lambda model, example, dims: export_dynamic(model, example, dims).module()}


def reporting(**changes):
    def report(ref, cand, batches, *, rtol=1e-4, atol=1e-5):
        batches = list(batches)
        found = parity(ref, cand, batches, rtol=rtol, atol=atol)
        return replace(found, **{k: f(found, ref, cand, batches) for k, f in changes.items()})

    return {"parity": report}


@wrong("E1")
def a_flag_of_mismatch():
    return reporting(nonfinite_mismatch=lambda f, *_: int(bool(f.nonfinite_mismatch)))


@wrong("E1")
def agreement_in_percent():
    return reporting(argmax_agreement=lambda f, *_: 100 * f.argmax_agreement)


@wrong("E1")
def one_minus_cosine():
    return reporting(cosine=lambda f, *_: 1 - f.cosine)


@wrong("E1")
def the_number_of_the_batch():
    def worst(found, ref, cand, batches):
        sizes = [len(ref(x)) for x in batches]
        row = found.worst_input_index
        for i, size in enumerate(sizes):
            if row < size:
                return i
            row -= size
        return 0

    return reporting(worst_input_index=worst)


@wrong("E1")
def mean_absolute_error():
    return reporting(
        max_abs=lambda f, ref, cand, xs: float(
            torch.cat([(ref(x) - cand(x)).abs().double().flatten() for x in xs]).nan_to_num(0, 0, 0).mean()
        )
    )


@wrong("E1")
def swapped_arguments():
    return {
        "parity": lambda ref, cand, batches, *, rtol=1e-4, atol=1e-5: parity(
            cand, ref, batches, rtol=rtol, atol=atol
        )
    }


@wrong("E1")
def own_tolerances():
    return {"parity": lambda ref, cand, batches, *, rtol=1e-4, atol=1e-5: parity(ref, cand, batches)}


@wrong("E1")
def tolerance_or():
    def passed(found, ref, cand, batches):
        pairs = [(ref(x).double(), cand(x).double()) for x in batches if len(ref(x))]
        return not found.nonfinite_mismatch and all(
            bool((r - c).abs().nan_to_num(0).max() <= 1e-4) for r, c in pairs
        )

    return reporting(passed=passed)


@wrong("E1")
def tensors_in_the_report():
    return reporting(max_abs=lambda f, *_: torch.tensor(f.max_abs))


@wrong("E1")
def last_batch_only():
    return {
        "parity": lambda ref, cand, batches, *, rtol=1e-4, atol=1e-5: parity(
            ref, cand, list(batches)[-1:], rtol=rtol, atol=atol
        )
    }
