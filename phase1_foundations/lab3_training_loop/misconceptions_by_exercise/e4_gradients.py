"""Wrong answers to E4."""

import torch

from courseware.check import misconception
from phase1_foundations.lab3_training_loop.solution import accumulate_step as right_step
from phase1_foundations.lab3_training_loop.solution import clip_grad_norm_ as right_clip


@misconception("E4", diagnosis="clipped-one-by-one")
def clips_each_tensor():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        params = list(params)
        total = right_clip(params, float("inf"), norm_type, error_if_nonfinite)
        for p in params:
            right_clip([p], max_norm, norm_type)
        return total

    return {"clip_grad_norm_": clip_grad_norm_}


@misconception("E4", diagnosis="returns-the-clipped-norm")
def returns_the_norm_afterwards():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        params = list(params)
        right_clip(params, max_norm, norm_type, error_if_nonfinite)
        return right_clip(params, float("inf"), norm_type)

    return {"clip_grad_norm_": clip_grad_norm_}


@misconception("E4", diagnosis="generator-used-up")
def goes_through_the_generator_twice():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        norms = [torch.linalg.vector_norm(p.grad.double(), norm_type) for p in params if p.grad is not None]
        total = torch.linalg.vector_norm(torch.stack(norms), norm_type) if norms else torch.tensor(0.0)
        if error_if_nonfinite and not total.isfinite():
            raise RuntimeError("not finite")
        if total > max_norm:
            for p in params:
                if p.grad is not None:
                    p.grad.mul_(max_norm / total)
        return total

    return {"clip_grad_norm_": clip_grad_norm_}


@misconception("E4", diagnosis="squares-overflow")
def squares_in_float32():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        grads = [p.grad for p in params if p.grad is not None and p.grad.numel()]
        if not grads:
            return torch.tensor(0.0)
        if norm_type == float("inf"):
            total = torch.stack([g.abs().max() for g in grads]).max()
        else:
            total = sum((g.abs() ** norm_type).sum() for g in grads) ** (1 / norm_type)
        if error_if_nonfinite and not total.isfinite():
            raise RuntimeError("not finite")
        if not total <= max_norm:
            for g in grads:
                g.mul_(max_norm / total)
        return total

    return {"clip_grad_norm_": clip_grad_norm_}


def accumulating(
    share=lambda loss, mask, tokens, batches: loss / tokens,
    before=lambda optimizer: None,
    after=lambda model, max_norm: None,
    value=lambda objective, parts: objective,
):
    """A sound accumulate_step with parts to be exchanged."""

    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        optimizer.zero_grad()
        tokens = sum(int(mask.sum()) for _, _, mask in micro_batches)
        if tokens == 0:
            return 0.0
        objective, parts = 0.0, []
        for x, y, mask in micro_batches:
            before(optimizer)
            loss = loss_sum_fn(model(x), y, mask)
            share(loss, mask, tokens, micro_batches).backward()
            objective += loss.item() / tokens
            parts.append(loss)
            after(model, max_norm)
        if max_norm is not None and after.__name__ == "<lambda>":
            right_clip(model.parameters(), max_norm)
        optimizer.step()
        return value(objective, parts)

    return accumulate_step


@misconception("E4", diagnosis="mean-of-means")
def averages_the_means():
    return {
        "accumulate_step": accumulating(
            share=lambda loss, mask, tokens, batches: loss / mask.sum().clamp(min=1) / len(batches)
        )
    }


@misconception("E4", diagnosis="clips-each-micro-batch")
def clips_each_micro_batch():
    def clip(model, max_norm):
        if max_norm is not None:
            right_clip(model.parameters(), max_norm)

    return {"accumulate_step": accumulating(after=clip)}


@misconception("E4", diagnosis="never-divided")
def forgets_the_division():
    return {"accumulate_step": accumulating(share=lambda loss, mask, tokens, batches: loss)}


@misconception("E4", diagnosis="only-the-last-micro-batch")
def zeroes_inside_the_loop():
    return {"accumulate_step": accumulating(before=lambda optimizer: optimizer.zero_grad())}


@misconception("E4", diagnosis="padding-counted")
def counts_all_tokens():
    def share(loss, mask, tokens, batches):
        return loss / sum(m.numel() for _, _, m in batches)

    return {"accumulate_step": accumulating(share=share)}


@misconception("E4", diagnosis="graphs-pile-up")
def adds_up_losses_first():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        optimizer.zero_grad()
        tokens = sum(int(mask.sum()) for _, _, mask in micro_batches)
        if tokens == 0:
            return 0.0
        loss = sum(loss_sum_fn(model(x), y, mask) for x, y, mask in micro_batches) / tokens
        loss.backward()
        if max_norm is not None:
            right_clip(model.parameters(), max_norm)
        optimizer.step()
        return loss.item()

    return {"accumulate_step": accumulate_step}


@misconception("E4", diagnosis="old-gradients-count")
def zeroes_only_afterwards():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        class Later:
            def zero_grad(self):
                pass

            def step(self):
                optimizer.step()
                optimizer.zero_grad()

        return right_step(model, loss_sum_fn, micro_batches, Later(), max_norm=max_norm)

    return {"accumulate_step": accumulate_step}


@misconception("E4", diagnosis="returns-something-else")
def returns_a_tensor():
    return {"accumulate_step": accumulating(value=lambda objective, parts: torch.tensor(objective))}


@misconception("E4", diagnosis="forbidden")
def calls_torch():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        return torch.nn.utils.clip_grad_norm_(params, max_norm, norm_type, error_if_nonfinite)

    return {"clip_grad_norm_": clip_grad_norm_}
