"""Wrong answers to E3."""

import math

import torch
from torch.autograd import Function

from courseware.check import misconception


def checkpointed(
    *, restore=True, fork=True, parameters=True, anchor=True, detach=True, record=False, upstream=True
):
    """A sound `checkpoint` with parts to be exchanged."""

    class Again(Function):
        @staticmethod
        def forward(ctx, fn, extra, *args):
            ctx.fn, ctx.state = fn, torch.get_rng_state()
            ctx.save_for_backward(*args)
            return fn(*args)

        @staticmethod
        def backward(ctx, *gradients):
            args = ctx.saved_tensors
            if detach:
                args = [x.detach().requires_grad_(x.requires_grad) for x in args]
            after = torch.get_rng_state()
            with torch.enable_grad():
                if restore:
                    torch.set_rng_state(ctx.state)
                out = ctx.fn(*args)
            if fork:
                torch.set_rng_state(after)
            outs = out if isinstance(out, tuple) else (out,)
            above = gradients if upstream else [torch.ones_like(g) for g in gradients]
            pairs = [(o, g) for o, g in zip(outs, above, strict=True) if o.requires_grad]
            if parameters:
                torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
                return None, None, *(x.grad for x in args)
            wanted = [x for x in args if x.requires_grad]
            found = iter(torch.autograd.grad([o for o, _ in pairs], wanted, [g for _, g in pairs]))
            return None, None, *(next(found) if x.requires_grad else None for x in args)

    def checkpoint(fn, *args):
        if record:
            return fn(*args)
        extra = torch.zeros((), requires_grad=True) if anchor else None
        return Again.apply(fn, extra, *args)

    return checkpoint


@misconception("E3", diagnosis="draws-other-numbers")
def generator_not_restored():
    return {"checkpoint": checkpointed(restore=False)}


@misconception("E3", diagnosis="leaves-a-trace-in-the-generator")
def generator_left_behind():
    return {"checkpoint": checkpointed(fork=False)}


@misconception("E3", diagnosis="parameters-get-no-gradient")
def gradients_of_the_inputs_alone():
    return {"checkpoint": checkpointed(parameters=False)}


@misconception("E3", diagnosis="keeps-everything")
def plain_call():
    return {"checkpoint": checkpointed(record=True)}


@misconception("E3", diagnosis="no-input-requires-a-gradient")
def no_anchor():
    return {"checkpoint": checkpointed(anchor=False)}


@misconception("E3", diagnosis="upstream-gradient-ignored")
def starts_from_ones():
    return {"checkpoint": checkpointed(upstream=False)}


@misconception("E3", diagnosis="always-the-same-numbers")
def fixes_the_seed():
    sound = checkpointed()

    def checkpoint(fn, *args):
        torch.manual_seed(0)
        return sound(fn, *args)

    return {"checkpoint": checkpoint}


@misconception("E3", diagnosis="the-loop-variable-moved-on")
def lambda_in_the_loop():
    sound = checkpointed()

    def checkpoint_chain(blocks, x, segments):
        edges = [round(len(blocks) * i / segments) for i in range(segments + 1)]
        for i in range(segments):
            part = blocks[edges[i] : edges[i + 1]]

            def run(h):
                for block in part:  # noqa: B023 - the mistake itself
                    h = block(h)
                return h

            x = sound(run, x)
        return x

    return {"checkpoint_chain": checkpoint_chain}


@misconception("E3", diagnosis="last-segment-not-checkpointed")
def last_one_runs_plainly():
    sound = checkpointed()

    def checkpoint_chain(blocks, x, segments):
        edges = [round(len(blocks) * i / segments) for i in range(segments + 1)]
        for i in range(segments):
            part = torch.nn.Sequential(*blocks[edges[i] : edges[i + 1]])
            x = part(x) if i == segments - 1 else sound(part, x)
        return x

    return {"checkpoint_chain": checkpoint_chain}


@misconception("E3", diagnosis="equal-numbers-of-blocks")
def root_of_n_segments():
    def best_segments(n_blocks, act_bytes):
        segments = max(1, round(math.sqrt(n_blocks)))
        return [n_blocks * i // segments for i in range(1, segments)]

    return {"best_segments": best_segments}


@misconception("E3", diagnosis="not-the-smallest-peak")
def equal_shares_of_bytes():
    def best_segments(n_blocks, act_bytes):
        share, cuts, filled = sum(act_bytes) / math.sqrt(n_blocks), [], 0
        for i, size in enumerate(act_bytes):
            if filled + size > share and i > 0:
                cuts.append(i)
                filled = 0
            filled += size
        return cuts

    return {"best_segments": best_segments}


@misconception("E3", diagnosis="cuts-in-another-form")
def begins_with_zero():
    from phase1_foundations.lab5_gpu_mixed_precision.solution import best_segments as sound

    def best_segments(n_blocks, act_bytes):
        return [0, *sound(n_blocks, act_bytes)]

    return {"best_segments": best_segments}
