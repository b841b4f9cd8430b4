"""Wrong answers to E1."""

import math
from dataclasses import replace

import torch
from torch import nn

from courseware.check import misconception
from phase2_intermediate.lab6_model_export.solution import (
    ExportableNet,
    GatedNet,
    ParityReport,
    export_dynamic,
    parity,
)


@misconception("E1", diagnosis="asks-for-a-value")
def the_network_as_it_is():
    class Copy(GatedNet):
        pass

    return {"ExportableNet": Copy}


@misconception("E1", diagnosis="branch-baked-in")
def decides_while_it_is_traced():
    class Net(ExportableNet):
        def forward(self, x):
            # a decision by another route: the export sees a constant
            if torch.compiler.is_exporting():
                h = torch.relu(self.bright(x))
            else:
                h = torch.where(x.mean() > self.threshold, self.bright(x).relu(), self.dark(x).tanh())
            scores = self.out(self.dropout(h))
            return scores - scores.mean(dim=0)

    return {"ExportableNet": Net}


@misconception("E1", diagnosis="gate-of-a-row")
def each_row_for_itself():
    class Net(ExportableNet):
        def forward(self, x):
            bright = x.mean(dim=1, keepdim=True) > self.threshold
            h = torch.where(bright, torch.relu(self.bright(x)), torch.tanh(self.dark(x)))
            scores = self.out(self.dropout(h))
            return scores - scores.mean(dim=0)

    return {"ExportableNet": Net}


@misconception("E1", diagnosis="train-mode")
def exports_in_training_mode():
    def export(model, example, dims):
        sizes = {name: torch.export.Dim(name, min=1, max=4096) for name in dims.values()}
        for axis in dims:
            if example.shape[axis] == 1:
                example = example.repeat_interleave(2, dim=axis)
        return torch.export.export(
            model, (example,), dynamic_shapes=({axis: sizes[name] for axis, name in dims.items()},)
        )

    return {"export_dynamic": export}


@misconception("E1", diagnosis="batch-baked-in")
def every_size_fixed():
    def export(model, example, dims):
        modes = {m: m.training for m in model.modules()}
        program = torch.export.export(model.eval(), (example,))
        for m, mode in modes.items():
            m.training = mode
        return program

    return {"export_dynamic": export}


@misconception("E1", diagnosis="batch-of-one")
def example_as_it_comes():
    def export(model, example, dims):
        modes = {m: m.training for m in model.modules()}
        sizes = {name: torch.export.Dim(name, min=1, max=4096) for name in dims.values()}
        shapes = ({axis: sizes[name] for axis, name in dims.items()},)
        try:
            return torch.export.export(model.eval(), (example,), dynamic_shapes=shapes)
        finally:
            for m, mode in modes.items():
                m.training = mode

    return {"export_dynamic": export}


@misconception("E1", diagnosis="mode-changed")
def leaves_evaluation_mode_on():
    def export(model, example, dims):
        program = export_dynamic(model, example, dims)
        model.eval()
        return program

    return {"export_dynamic": export}


@misconception("E1", diagnosis="relative-to-the-candidate")
def divides_by_the_candidate():
    def other(ref, cand, batches, *, rtol=1e-4, atol=1e-5):
        batches = list(batches)
        found = parity(ref, cand, batches, rtol=rtol, atol=atol)
        return replace(found, max_rel=parity(cand, ref, batches, rtol=rtol, atol=atol).max_rel)

    return {"parity": other}


def simple(*, finite_only=False, by_argmax=False, refuse_empty=True):
    """A report that calls one thing otherwise."""

    def report(ref, cand, batches, *, rtol=1e-4, atol=1e-5):
        batches = list(batches)
        found = parity(ref, cand, batches, rtol=rtol, atol=atol)
        if by_argmax:
            return replace(found, passed=found.argmax_agreement == 1.0 and not found.nonfinite_mismatch)
        if finite_only:
            return replace(found, nonfinite_mismatch=0, passed=True)
        return found

    return report


@misconception("E1", diagnosis="nan-in-one-is-missed")
def nan_compares_as_equal():
    return {"parity": simple(finite_only=True)}


@misconception("E1", diagnosis="argmax-decides")
def the_same_class_is_enough():
    return {"parity": simple(by_argmax=True)}


@misconception("E1", diagnosis="empty-is-fine")
def nothing_is_a_pass():
    def report(ref, cand, batches, *, rtol=1e-4, atol=1e-5):
        batches = [x for x in batches if len(x)]
        if not batches:
            return ParityReport(True, 0.0, 0.0, 1.0, 1.0, 0, 0)
        return parity(ref, cand, batches, rtol=rtol, atol=atol)

    return {"parity": report}


@misconception("E1", diagnosis="nonfinite-poisons-the-numbers")
def nan_goes_into_the_maximum():
    def report(ref, cand, batches, *, rtol=1e-4, atol=1e-5):
        found = parity(ref, cand, batches, rtol=rtol, atol=atol)
        return replace(found, max_abs=math.nan) if found.nonfinite_mismatch else found

    return {"parity": report}


@misconception("E1", diagnosis="dropout")
def dropout_that_never_sleeps():
    class Net(ExportableNet):
        def forward(self, x):
            h = torch.where(x.mean() > self.threshold, self.bright(x).relu(), self.dark(x).tanh())
            scores = self.out(nn.functional.dropout(h, 0.2))
            return scores - scores.mean(dim=0)

    return {"ExportableNet": Net}
