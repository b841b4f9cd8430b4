"""Wrong answers to E3."""

import torch
from torch.autograd import Function

from courseware.check import misconception


class Sound(Function):
    """A right answer in small pieces; each misconception replaces one of them."""

    @staticmethod
    def forward(ctx, logits, target, ignore_index=-100):
        wide = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        log_p = wide - torch.logsumexp(wide, dim=1, keepdim=True)
        kept = target != ignore_index
        ctx.save_for_backward(log_p, target)
        ctx.ignore_index, ctx.dtype = ignore_index, logits.dtype
        return -log_p[kept, target[kept]].sum() / kept.sum()

    @staticmethod
    def backward(ctx, grad_out):
        log_p, target = ctx.saved_tensors
        kept = target != ctx.ignore_index
        grad = log_p.exp()
        grad[kept, target[kept]] -= 1
        grad[~kept] = 0
        return (grad * (grad_out / kept.sum().clamp(min=1))).to(ctx.dtype), None, None


@misconception("E3", diagnosis="softmax-overflows")
def exponentials_of_large_numbers():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            p = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
            kept = target != ignore_index
            ctx.save_for_backward(p.log(), target)
            ctx.ignore_index, ctx.dtype = ignore_index, logits.dtype
            return -p.log()[kept, target[kept]].sum() / kept.sum()

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="log-of-a-rounded-zero")
def log_of_softmax():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            log_p = torch.log(torch.softmax(logits.float() if logits.dtype.itemsize < 4 else logits, dim=1))
            kept = target != ignore_index
            ctx.save_for_backward(log_p, target)
            ctx.ignore_index, ctx.dtype = ignore_index, logits.dtype
            return -log_p[kept, target[kept]].sum() / kept.sum()

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="denominator-counts-all-rows")
def divides_by_all_rows():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            mean = Sound.forward(ctx, logits, target, ignore_index)
            return mean * (target != ignore_index).sum() / len(target)

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="grad-out-forgotten")
def forgets_grad_out():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def backward(ctx, grad_out):
            return Sound.backward(ctx, torch.ones_like(grad_out))

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="keeps-too-much")
def saves_logits_and_probabilities():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            loss = Sound.forward(ctx, logits, target, ignore_index)
            ctx.probabilities = logits.softmax(dim=1)
            return loss

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="zero-times-infinity")
def multiplies_by_onehot():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            loss = Sound.forward(ctx, logits, target, ignore_index)
            log_p, kept = logits - logits.logsumexp(dim=1, keepdim=True), target != ignore_index
            onehot = torch.eye(logits.shape[1], dtype=logits.dtype)[target.where(kept, 0)]
            return loss if logits.dtype.itemsize < 4 else -(onehot * log_p)[kept].sum() / kept.sum()

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="ignored-target-used-as-an-index")
def indexes_with_minus_hundred():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            Sound.forward(ctx, logits, target, ignore_index)
            log_p = logits - logits.logsumexp(dim=1, keepdim=True)
            return -log_p[torch.arange(len(target)), target][target != ignore_index].mean()

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="gradient-in-ignored-rows")
def gives_every_row_a_gradient():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def backward(ctx, grad_out):
            log_p, target = ctx.saved_tensors
            kept = target != ctx.ignore_index
            grad = log_p.exp()
            grad[kept, target[kept]] -= 1
            return (grad * (grad_out / kept.sum().clamp(min=1))).to(ctx.dtype), None, None

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="nothing-kept")
def divides_by_no_rows():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def backward(ctx, grad_out):
            log_p, target = ctx.saved_tensors
            kept = target != ctx.ignore_index
            grad = log_p.exp()
            grad[kept, target[kept]] -= 1
            grad[~kept] = 0
            return (grad * grad_out / kept.sum()).to(ctx.dtype), None, None

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="gradient-not-divided")
def forgets_the_mean_in_backward():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def backward(ctx, grad_out):
            kept = ctx.saved_tensors[1] != ctx.ignore_index
            return Sound.backward(ctx, grad_out * kept.sum())

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="wrong-number-of-gradients")
def one_gradient_for_three_inputs():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def backward(ctx, grad_out):
            return Sound.backward(ctx, grad_out)[0]

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="second-backward-differs")
def writes_into_the_saved_tensor():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def backward(ctx, grad_out):
            log_p, target = ctx.saved_tensors
            kept = target != ctx.ignore_index
            grad = log_p.exp_()
            grad[kept, target[kept]] -= 1
            grad[~kept] = 0
            return (grad * (grad_out / kept.sum().clamp(min=1))).to(ctx.dtype), None, None

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="overflows-in-half-precision")
def adds_up_in_half_precision():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            Sound.forward(ctx, logits, target, ignore_index)
            kept = target != ignore_index
            log_p = logits - torch.logsumexp(logits, dim=1, keepdim=True)
            return -log_p[kept, target[kept]].sum() / kept.sum()

    return {"FusedCrossEntropy": FusedCrossEntropy}


@misconception("E3", diagnosis="forbidden")
def calls_the_built_in():
    class FusedCrossEntropy(Sound):
        @staticmethod
        def forward(ctx, logits, target, ignore_index=-100):
            Sound.forward(ctx, logits, target, ignore_index)
            return torch.nn.CrossEntropyLoss(ignore_index=ignore_index)(logits, target)

    return {"FusedCrossEntropy": FusedCrossEntropy}
