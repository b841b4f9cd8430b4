"""Wrong answers to E3 beyond the lab's own misconceptions."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from phase1_foundations.lab1_tensors.misconceptions_by_exercise.e3_cross_entropy import Sound
from tests.labs.answers import Answers

wrong = Answers()


def answer(make):
    wrong.add("E3", make.__name__, lambda: {"FusedCrossEntropy": make()})
    return make


def with_forward(function):
    class FusedCrossEntropy(Sound):
        forward = staticmethod(function)

    return FusedCrossEntropy


def with_backward(function):
    class FusedCrossEntropy(Sound):
        backward = staticmethod(function)

    return FusedCrossEntropy


def parts(ctx):
    log_p, target = ctx.saved_tensors
    return log_p, target, target != ctx.ignore_index


@answer
def sum_of_losses():
    def forward(ctx, logits, target, ignore_index=-100):
        return Sound.forward(ctx, logits, target, ignore_index) * (target != ignore_index).sum()

    return with_forward(forward)


@answer
def losses_one_by_one():
    def forward(ctx, logits, target, ignore_index=-100):
        Sound.forward(ctx, logits, target, ignore_index)
        return -logits.log_softmax(1).gather(1, target.clamp(min=0)[:, None])[:, 0]

    return with_forward(forward)


@answer
def positive_log_probability():
    def forward(ctx, logits, target, ignore_index=-100):
        return -Sound.forward(ctx, logits, target, ignore_index)

    return with_forward(forward)


@answer
def softmax_down_the_rows():
    def forward(ctx, logits, target, ignore_index=-100):
        Sound.forward(ctx, logits, target, ignore_index)
        kept = target != ignore_index
        return -logits.log_softmax(0)[kept, target[kept]].mean()

    return with_forward(forward)


@answer
def softmax_plus_epsilon():
    def forward(ctx, logits, target, ignore_index=-100):
        Sound.forward(ctx, logits, target, ignore_index)
        kept = target != ignore_index
        return -(logits.softmax(1) + 1e-9).log()[kept, target[kept]].mean()

    return with_forward(forward)


@answer
def probability_instead_of_its_logarithm():
    def forward(ctx, logits, target, ignore_index=-100):
        Sound.forward(ctx, logits, target, ignore_index)
        kept = target != ignore_index
        return -logits.softmax(1)[kept, target[kept]].mean()

    return with_forward(forward)


@answer
def ignores_ignore_index():
    def forward(ctx, logits, target, ignore_index=-100):
        return Sound.forward(ctx, logits, target, -100)

    return with_forward(forward)


@answer
def ignored_count_as_class_zero():
    def forward(ctx, logits, target, ignore_index=-100):
        return Sound.forward(ctx, logits, target.where(target != ignore_index, 0), -100)

    return with_forward(forward)


@answer
def zero_when_nothing_is_kept():
    def forward(ctx, logits, target, ignore_index=-100):
        loss = Sound.forward(ctx, logits, target, ignore_index)
        return loss if (target != ignore_index).any() else torch.zeros((), dtype=logits.dtype)

    return with_forward(forward)


@answer
def shifts_by_the_maximum_of_everything():
    def forward(ctx, logits, target, ignore_index=-100):
        z = logits - logits.max()
        kept = target != ignore_index
        log_p = z - z.exp().sum(1, keepdim=True).log()
        ctx.save_for_backward(log_p, target)
        ctx.ignore_index, ctx.dtype = ignore_index, logits.dtype
        return -log_p[kept, target[kept]].mean()

    return with_forward(forward)


@answer
def calls_nll_loss():
    def forward(ctx, logits, target, ignore_index=-100):
        Sound.forward(ctx, logits, target, ignore_index)
        return F.nll_loss(logits.log_softmax(1), target, ignore_index=ignore_index)

    return with_forward(forward)


@answer
def calls_aten():
    def forward(ctx, logits, target, ignore_index=-100):
        Sound.forward(ctx, logits, target, ignore_index)
        return torch.ops.aten.nll_loss_forward(logits.log_softmax(1), target, None, 1, ignore_index)[0]

    return with_forward(forward)


@answer
def shifts_the_callers_logits():
    def forward(ctx, logits, target, ignore_index=-100):
        logits -= logits.amax(1, keepdim=True)
        return Sound.forward(ctx, logits, target, ignore_index)

    return with_forward(forward)


@answer
def rewrites_the_callers_target():
    def forward(ctx, logits, target, ignore_index=-100):
        loss = Sound.forward(ctx, logits, target.clone(), ignore_index)
        target[target == ignore_index] = 0
        return loss

    return with_forward(forward)


@answer
def saves_a_onehot_too():
    def forward(ctx, logits, target, ignore_index=-100):
        loss = Sound.forward(ctx, logits, target, ignore_index)
        ctx.onehot = F.one_hot(target.clamp(min=0), logits.shape[1])
        return loss

    return with_forward(forward)


@answer
def saves_in_a_list_on_ctx():
    def forward(ctx, logits, target, ignore_index=-100):
        loss = Sound.forward(ctx, logits, target, ignore_index)
        ctx.more = [{"exp": logits.exp()}, (logits - 1,)]
        return loss

    return with_forward(forward)


@answer
def computes_in_half():
    def forward(ctx, logits, target, ignore_index=-100):
        Sound.forward(ctx, logits, target, ignore_index)
        kept = target != ignore_index
        log_p = logits.log_softmax(1)
        return -log_p[kept, target[kept]].sum() / kept.sum()

    return with_forward(forward)


@answer
def gradient_is_the_softmax():
    def backward(ctx, grad_out):
        log_p, _, kept = parts(ctx)
        return log_p.exp() * kept[:, None] * grad_out / kept.sum().clamp(min=1), None, None

    return with_backward(backward)


@answer
def opposite_gradient():
    def backward(ctx, grad_out):
        return -Sound.backward(ctx, grad_out)[0], None, None

    return with_backward(backward)


@answer
def only_the_target_gets_a_gradient():
    def backward(ctx, grad_out):
        log_p, target, kept = parts(ctx)
        g = torch.zeros_like(log_p)
        g[kept, target[kept]] = (log_p.exp()[kept, target[kept]] - 1) * grad_out / kept.sum()
        return g.to(ctx.dtype), None, None

    return with_backward(backward)


@answer
def divides_by_all_rows_in_backward():
    def backward(ctx, grad_out):
        _, target, kept = parts(ctx)
        return Sound.backward(ctx, grad_out * kept.sum() / max(len(target), 1))

    return with_backward(backward)


@answer
def two_gradients():
    def backward(ctx, grad_out):
        return Sound.backward(ctx, grad_out)[:2]

    return with_backward(backward)


@answer
def gradient_of_log_p_unsaved_exp():
    def backward(ctx, grad_out):
        log_p, target, kept = parts(ctx)
        g = log_p.clone()
        g[kept, target[kept]] -= 1
        g[~kept] = 0
        return (g * grad_out / kept.sum().clamp(min=1)).to(ctx.dtype), None, None

    return with_backward(backward)


@answer
def a_second_autograd_inside():
    def forward(ctx, logits, target, ignore_index=-100):
        kept = target != ignore_index
        with torch.enable_grad():
            z = logits.detach().requires_grad_()
            wide = z.float() if z.dtype.itemsize == 2 else z
            log_p = wide - wide.logsumexp(1, keepdim=True)
            loss = -log_p[kept, target[kept]].sum() / kept.sum()
        ctx.z, ctx.loss = z, loss
        return loss.detach()

    def backward(ctx, grad_out):
        (g,) = torch.autograd.grad(ctx.loss, ctx.z, grad_out, retain_graph=True)
        return g, None, None

    made = with_forward(forward)
    made.backward = staticmethod(backward)
    return made


@answer
def backward_returns_nothing():
    def backward(ctx, grad_out):
        Sound.backward(ctx, grad_out)

    return with_backward(backward)


@answer
def squared_grad_out():
    def backward(ctx, grad_out):
        return Sound.backward(ctx, grad_out * grad_out)

    return with_backward(backward)


@answer
def half_forgets_its_dtype():
    def forward(ctx, logits, target, ignore_index=-100):
        return Sound.forward(ctx, logits, target, ignore_index).double()

    return with_forward(forward)
