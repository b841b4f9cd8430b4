"""Wrong answers to E3 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
import torch.utils.checkpoint as library
from torch import nn
from torch.autograd import Function

from phase1_foundations.lab5_gpu_mixed_precision.solution import checkpoint as sound
from tests.labs.answers import Answers

wrong = Answers()


@wrong.stands_for("E3", "checkpoint")
def torchs_own(fn, *args):
    return library.checkpoint(fn, *args, use_reentrant=False)


@wrong.stands_for("E3", "checkpoint")
def torchs_older_one(fn, *args):
    return library.checkpoint(fn, *args, use_reentrant=True)


@wrong.stands_for("E3", "checkpoint")
def no_grad_call(fn, *args):
    with torch.no_grad():
        return fn(*args)


@wrong.stands_for("E3", "checkpoint")
def makes_it_require(fn, *args):
    with torch.no_grad():
        y = fn(*args)
    return y.requires_grad_() if isinstance(y, torch.Tensor) else y


@wrong.stands_for("E3", "checkpoint")
def forgets_to_return(fn, *args):
    sound(fn, *args)


class KeepsTheGraph(Function):
    @staticmethod
    def forward(ctx, fn, extra, *args):
        with torch.enable_grad():
            ctx.inputs = [a.detach().requires_grad_(a.requires_grad) for a in args]
            ctx.out = fn(*ctx.inputs)
        return ctx.out.detach() if isinstance(ctx.out, torch.Tensor) else tuple(o.detach() for o in ctx.out)

    @staticmethod
    def backward(ctx, *above):
        outs = ctx.out if isinstance(ctx.out, tuple) else (ctx.out,)
        pairs = [(o, g) for o, g in zip(outs, above, strict=True) if o.requires_grad]
        torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return None, None, *(x.grad for x in ctx.inputs)


@wrong.stands_for("E3", "checkpoint")
def keeps_the_graph(fn, *args):
    return KeepsTheGraph.apply(fn, torch.zeros((), requires_grad=True), *args)


class NoEnableGrad(Function):
    @staticmethod
    def forward(ctx, fn, extra, *args):
        ctx.fn = fn
        ctx.save_for_backward(*args)
        return fn(*args)

    @staticmethod
    def backward(ctx, *above):
        args = [a.detach().requires_grad_(a.requires_grad) for a in ctx.saved_tensors]
        out = ctx.fn(*args)
        torch.autograd.backward(out, *above)
        return None, None, *(a.grad for a in args)


@wrong.stands_for("E3", "checkpoint")
def not_recording_again(fn, *args):
    return NoEnableGrad.apply(fn, torch.zeros((), requires_grad=True), *args)


class NoDetach(Function):
    @staticmethod
    def forward(ctx, fn, extra, *args):
        ctx.fn, ctx.state, ctx.args = fn, torch.get_rng_state(), args
        return fn(*args)

    @staticmethod
    def backward(ctx, *above):
        with torch.enable_grad(), torch.random.fork_rng():
            torch.set_rng_state(ctx.state)
            out = ctx.fn(*ctx.args)
        outs = out if isinstance(out, tuple) else (out,)
        torch.autograd.backward(outs, above, retain_graph=True)
        return None, None, *(None for _ in ctx.args)


@wrong.stands_for("E3", "checkpoint")
def second_run_on_the_callers_tensors(fn, *args):
    return NoDetach.apply(fn, torch.zeros((), requires_grad=True), *args)


class OneGradientAlone(Function):
    @staticmethod
    def forward(ctx, fn, extra, *args):
        ctx.fn, ctx.state = fn, torch.get_rng_state()
        ctx.save_for_backward(*args)
        return fn(*args)

    @staticmethod
    def backward(ctx, above):
        args = [a.detach().requires_grad_(a.requires_grad) for a in ctx.saved_tensors]
        with torch.enable_grad(), torch.random.fork_rng():
            torch.set_rng_state(ctx.state)
            out = ctx.fn(*args)
        out.backward(above)
        return None, None, *(a.grad for a in args)


@wrong.stands_for("E3", "checkpoint")
def one_result_only(fn, *args):
    return OneGradientAlone.apply(fn, torch.zeros((), requires_grad=True), *args)


class AllRequireGradients(Function):
    @staticmethod
    def forward(ctx, fn, extra, *args):
        ctx.fn, ctx.state = fn, torch.get_rng_state()
        ctx.save_for_backward(*args)
        return fn(*args)

    @staticmethod
    def backward(ctx, *above):
        args = [a.detach().requires_grad_() for a in ctx.saved_tensors]
        with torch.enable_grad(), torch.random.fork_rng():
            torch.set_rng_state(ctx.state)
            out = ctx.fn(*args)
        outs = out if isinstance(out, tuple) else (out,)
        torch.autograd.backward(outs, above)
        return None, None, *(a.grad for a in args)


@wrong.stands_for("E3", "checkpoint")
def integers_cannot(fn, *args):
    return AllRequireGradients.apply(fn, torch.zeros((), requires_grad=True), *args)


class SavesTheOutput(Function):
    @staticmethod
    def forward(ctx, fn, extra, *args):
        ctx.fn, ctx.state = fn, torch.get_rng_state()
        out = fn(*args)
        ctx.save_for_backward(*args, *(out if isinstance(out, tuple) else (out,)))
        ctx.count = len(args)
        return out

    @staticmethod
    def backward(ctx, *above):
        args = [a.detach().requires_grad_(a.requires_grad) for a in ctx.saved_tensors[: ctx.count]]
        with torch.enable_grad(), torch.random.fork_rng():
            torch.set_rng_state(ctx.state)
            out = ctx.fn(*args)
        outs = out if isinstance(out, tuple) else (out,)
        pairs = [(o, g) for o, g in zip(outs, above, strict=True) if o.requires_grad]
        torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return None, None, *(a.grad for a in args)


@wrong.stands_for("E3", "checkpoint")
def keeps_the_output_too(fn, *args):
    return SavesTheOutput.apply(fn, torch.zeros((), requires_grad=True), *args)


@wrong.stands_for("E3", "checkpoint")
def runs_twice_forward(fn, *args):
    with torch.no_grad():
        fn(*args)
    return sound(fn, *args)


class RunsForEachGradient(Function):
    @staticmethod
    def forward(ctx, fn, extra, *args):
        ctx.fn, ctx.state = fn, torch.get_rng_state()
        ctx.save_for_backward(*args)
        return fn(*args)

    @staticmethod
    def backward(ctx, *above):
        found = []
        for turn in range(2):
            args = [a.detach().requires_grad_(a.requires_grad) for a in ctx.saved_tensors]
            with torch.enable_grad(), torch.random.fork_rng():
                torch.set_rng_state(ctx.state)
                out = ctx.fn(*args)
            outs = out if isinstance(out, tuple) else (out,)
            pairs = [(o, g) for o, g in zip(outs, above, strict=True) if o.requires_grad]
            if turn == 0:
                torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
                found = [a.grad for a in args]
        return None, None, *found


@wrong.stands_for("E3", "checkpoint")
def once_too_often(fn, *args):
    return RunsForEachGradient.apply(fn, torch.zeros((), requires_grad=True), *args)


class SeedsAnew(Function):
    @staticmethod
    def forward(ctx, fn, extra, *args):
        ctx.fn = fn
        ctx.seed = int(torch.randint(2**31, ()))
        ctx.save_for_backward(*args)
        torch.manual_seed(ctx.seed)
        return fn(*args)

    @staticmethod
    def backward(ctx, *above):
        args = [a.detach().requires_grad_(a.requires_grad) for a in ctx.saved_tensors]
        with torch.enable_grad(), torch.random.fork_rng():
            torch.manual_seed(ctx.seed)
            out = ctx.fn(*args)
        outs = out if isinstance(out, tuple) else (out,)
        pairs = [(o, g) for o, g in zip(outs, above, strict=True) if o.requires_grad]
        torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return None, None, *(a.grad for a in args)


@wrong.stands_for("E3", "checkpoint")
def a_seed_of_its_own(fn, *args):
    return SeedsAnew.apply(fn, torch.zeros((), requires_grad=True), *args)


class AssignsGradients(Function):
    @staticmethod
    def forward(ctx, fn, extra, *args):
        ctx.fn, ctx.state = fn, torch.get_rng_state()
        ctx.save_for_backward(*args)
        return fn(*args)

    @staticmethod
    def backward(ctx, *above):
        args = [a.detach().requires_grad_(a.requires_grad) for a in ctx.saved_tensors]
        with torch.enable_grad(), torch.random.fork_rng():
            torch.set_rng_state(ctx.state)
            out = ctx.fn(*args)
        outs = out if isinstance(out, tuple) else (out,)
        pairs = [(o, g) for o, g in zip(outs, above, strict=True) if o.requires_grad]
        leaves = list(ctx.fn.parameters()) if isinstance(ctx.fn, nn.Module) else []
        wanted = [a for a in args if a.requires_grad] + leaves
        found = torch.autograd.grad([o for o, _ in pairs], wanted, [g for _, g in pairs], allow_unused=True)
        by_identity = {id(w): g for w, g in zip(wanted, found, strict=True)}
        for leaf in leaves:
            leaf.grad = by_identity[id(leaf)]
        return None, None, *(by_identity.get(id(a)) for a in args)


@wrong.stands_for("E3", "checkpoint")
def parameters_of_modules_alone(fn, *args):
    return AssignsGradients.apply(fn, torch.zeros((), requires_grad=True), *args)


class Overwrites(Function):
    @staticmethod
    def forward(ctx, fn, extra, *args):
        ctx.fn, ctx.state = fn, torch.get_rng_state()
        ctx.save_for_backward(*args)
        return fn(*args)

    @staticmethod
    def backward(ctx, *above):
        args = [a.detach().requires_grad_(a.requires_grad) for a in ctx.saved_tensors]
        with torch.enable_grad(), torch.random.fork_rng():
            torch.set_rng_state(ctx.state)
            out = ctx.fn(*args)
        if isinstance(ctx.fn, nn.Module):
            ctx.fn.zero_grad()
        outs = out if isinstance(out, tuple) else (out,)
        pairs = [(o, g) for o, g in zip(outs, above, strict=True) if o.requires_grad]
        torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return None, None, *(a.grad for a in args)


@wrong.stands_for("E3", "checkpoint")
def clears_before_it_adds(fn, *args):
    return Overwrites.apply(fn, torch.zeros((), requires_grad=True), *args)
