"""Wrong answers to E1 that are right in evaluation mode, with two rows, or for most numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from phase2_intermediate.lab6_model_export.solution import ExportableNet, export_dynamic, parity
from tests.labs.answers import Answers

wrong = Answers()


def net(forward):
    return {"ExportableNet": type("ExportableNet", (ExportableNet,), {"forward": forward})}


@wrong("E1")
def dropout_on_the_scores():
    def forward(self, x):
        h = torch.where(x.mean() > self.threshold, self.bright(x).relu(), self.dark(x).tanh())
        s = self.dropout(self.out(h))
        return s - s.mean(dim=0)

    return net(forward)


@wrong("E1")
def a_steep_sigmoid():
    def forward(self, x):
        m = torch.sigmoid(10_000 * (x.mean() - self.threshold))
        h = torch.where(
            m > 0.999, self.bright(x).relu(), torch.lerp(self.dark(x).tanh(), self.bright(x).relu(), m)
        )
        s = self.out(self.dropout(h))
        return s - s.mean(dim=0)

    return net(forward)


@wrong("E1")
def only_the_batch_is_doubled():
    def export(model, example, dims):
        if 0 not in dims and 1 in example.shape:
            modes = {m: m.training for m in model.modules()}
            shapes = ({axis: torch.export.Dim(name, min=1, max=4096) for axis, name in dims.items()},)
            try:
                return torch.export.export(model.eval(), (example,), dynamic_shapes=shapes)
            finally:
                for m, training in modes.items():
                    m.training = training
        return export_dynamic(model, example, dims)

    return {"export_dynamic": export}


@wrong("E1")
def random_numbers_for_the_example():
    def export(model, example, dims):
        if any(example.shape[axis] == 1 for axis in dims):
            example = torch.randn([2 if axis in dims else n for axis, n in enumerate(example.shape)])
        return export_dynamic(model, example, dims)

    return {"export_dynamic": export}


def reporting(change):
    """`parity` whose report is changed: change(report, r, c, rtol, atol) gives fields."""

    def again(ref, cand, batches, *, rtol=1e-4, atol=1e-5):
        kept = []

        def record(x):
            kept.append([ref(x)])
            return kept[-1][0]

        def record_too(x):
            kept[-1].append(cand(x))
            return kept[-1][1]

        report = parity(record, record_too, batches, rtol=rtol, atol=atol)
        r, c = (torch.cat([pair[i] for pair in kept]).double().detach() for i in (0, 1))
        return replace(report, **change(report, r, c, rtol, atol))

    return {"parity": again}


@wrong("E1")
def less_instead_of_at_most():
    def change(report, r, c, rtol, atol):
        finite = r.isfinite() & c.isfinite()
        close = ((r - c).abs() < atol + rtol * r.abs())[finite]
        return {"passed": report.nonfinite_mismatch == 0 and bool(close.all())}

    return reporting(change)


@wrong("E1")
def nearly_all_are_close():
    def change(report, r, c, rtol, atol):
        finite = r.isfinite() & c.isfinite()
        close = ((r - c).abs() <= atol + rtol * r.abs())[finite].double()
        return {"passed": report.nonfinite_mismatch == 0 and (not len(close) or close.mean().item() > 0.99)}

    return reporting(change)


@wrong("E1")
def the_sum_in_the_denominator():
    def change(report, r, c, rtol, atol):
        finite = r.isfinite() & c.isfinite()
        relative = ((r - c).abs() / (r.abs() + max(atol, 1e-12)))[finite]
        return {"max_rel": float(relative.max()) if len(relative) else 0.0}

    return reporting(change)


@wrong("E1")
def the_worst_relative_row():
    def change(report, r, c, rtol, atol):
        if report.nonfinite_mismatch:
            return {}
        off = ((r - c).abs() / r.abs().clamp(min=max(atol, 1e-12))).nan_to_num(0.0, 0.0)
        return {"worst_input_index": int(off.amax(dim=1).argmax())}

    return reporting(change)


@wrong("E1")
def not_a_number_instead_of_one():
    def change(report, r, c, rtol, atol):
        return {"cosine": math.nan} if not (r.isfinite() & c.isfinite()).any() else {}

    return reporting(change)
