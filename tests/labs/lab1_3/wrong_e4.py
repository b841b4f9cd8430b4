"""Wrong answers to E4 beyond the lab's own misconceptions."""

from __future__ import annotations

import math

import torch

from phase1_foundations.lab3_training_loop import solution
from phase1_foundations.lab3_training_loop.misconceptions_by_exercise.e4_gradients import accumulating
from tests.labs.answers import Answers

wrong = Answers()


def clipping(
    total=lambda norms, p: torch.linalg.vector_norm(norms, p),
    one=lambda g, p: torch.linalg.vector_norm(g.double(), p),
    change=lambda g, factor, max_norm: g.mul_(factor),
    factor=lambda norm, max_norm: max_norm / norm,
    when=lambda norm, max_norm: norm > max_norm,
    result=lambda norm, max_norm: norm,
    check=True,
):
    """A sound clip_grad_norm_ with parts to be exchanged."""

    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        grads = [p.grad for p in params if p.grad is not None]
        norms = [one(g, norm_type) for g in grads if g.numel()]
        if not norms:
            return torch.tensor(0.0)
        norm = total(torch.stack(norms), norm_type)
        if check and error_if_nonfinite and not norm.isfinite():
            raise RuntimeError("not finite")
        if when(norm, max_norm):
            for g in grads:
                change(g, float(factor(norm, max_norm)), max_norm)
        return result(norm, max_norm)

    return {"clip_grad_norm_": clip_grad_norm_}


@wrong("E4")
def adds_up_norms():
    return clipping(total=lambda norms, p: norms.sum())


@wrong("E4")
def takes_the_largest_norm():
    return clipping(total=lambda norms, p: norms.max())


@wrong("E4")
def forgets_the_root():
    return clipping(total=lambda norms, p: (norms**2).sum())


@wrong("E4")
def always_euclidean():
    return clipping(
        one=lambda g, p: torch.linalg.vector_norm(g.double()),
        total=lambda norms, p: torch.linalg.vector_norm(norms),
    )


@wrong("E4")
def euclidean_over_tensors():
    return clipping(total=lambda norms, p: torch.linalg.vector_norm(norms))


@wrong("E4")
def scales_up_as_well():
    return clipping(when=lambda norm, max_norm: True)


@wrong("E4")
def divides_by_the_norm():
    return clipping(factor=lambda norm, max_norm: 1 / norm)


@wrong("E4")
def factor_upside_down():
    return clipping(factor=lambda norm, max_norm: norm / max_norm)


@wrong("E4")
def clips_by_value():
    return clipping(change=lambda g, factor, max_norm: g.clamp_(-max_norm, max_norm))


@wrong("E4")
def scales_a_copy():
    return clipping(change=lambda g, factor, max_norm: g * factor)


@wrong("E4")
def returns_a_float():
    return clipping(result=lambda norm, max_norm: norm.item())


@wrong("E4")
def returns_the_factor():
    return clipping(result=lambda norm, max_norm: torch.clamp(max_norm / norm, max=1.0))


@wrong("E4")
def never_raises():
    return clipping(check=False)


@wrong("E4")
def always_raises():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        return solution.clip_grad_norm_(params, max_norm, norm_type, True)

    return {"clip_grad_norm_": clip_grad_norm_}


@wrong("E4")
def raises_value_error():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        norm = solution.clip_grad_norm_(params, max_norm, norm_type)
        if error_if_nonfinite and not norm.isfinite():
            raise ValueError("not finite")
        return norm

    return {"clip_grad_norm_": clip_grad_norm_}


@wrong("E4")
def hides_nan():
    return clipping(one=lambda g, p: torch.linalg.vector_norm(g.double().nan_to_num(0, 0, 0), p))


@wrong("E4")
def half_the_norm():
    return clipping(factor=lambda norm, max_norm: max_norm / norm / 2)


@wrong("E4")
def mean_square():
    return clipping(one=lambda g, p: torch.linalg.vector_norm(g.double(), p) / g.numel() ** 0.5)


@wrong("E4")
def stops_at_none():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        grads = [p.grad for p in params]
        norm = torch.linalg.vector_norm(torch.stack([g.double().norm(norm_type) for g in grads]), norm_type)
        if error_if_nonfinite and not norm.isfinite():
            raise RuntimeError
        for g in grads:
            g.mul_(min(1.0, max_norm / float(norm)))
        return norm

    return {"clip_grad_norm_": clip_grad_norm_}


@wrong("E4")
def clips_the_parameters():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        params = list(params)
        with torch.no_grad():
            for p in params:
                p.clamp_(-max_norm, max_norm)
                p += 0.5
        return solution.clip_grad_norm_(params, max_norm, norm_type, error_if_nonfinite)

    return {"clip_grad_norm_": clip_grad_norm_}


def sharing(name, share):
    wrong.add("E4", name, lambda: {"accumulate_step": accumulating(share=share)})


sharing("divides_by_micro_batches", lambda loss, mask, tokens, batches: loss / len(batches))
sharing("means_added", lambda loss, mask, tokens, batches: loss / mask.sum().clamp(min=1))
sharing("divides_by_rows", lambda loss, mask, tokens, batches: loss / sum(len(y) for _, y, _ in batches))
sharing("divides_by_own_size", lambda loss, mask, tokens, batches: loss / mask.numel())
sharing("divides_by_first", lambda loss, mask, tokens, batches: loss / batches[0][2].sum().clamp(min=1))
sharing("divides_twice", lambda loss, mask, tokens, batches: loss / tokens / len(batches))
sharing("takes_the_root", lambda loss, mask, tokens, batches: (loss / tokens + 1e-9).sqrt())
sharing("forgets_a_token", lambda loss, mask, tokens, batches: loss / (tokens + 1))
sharing("goes_uphill", lambda loss, mask, tokens, batches: -loss / tokens)


@wrong("E4")
def steps_each_time():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        tokens, value = sum(int(mask.sum()) for *_, mask in micro_batches), 0.0
        for x, y, mask in micro_batches:
            optimizer.zero_grad()
            loss = loss_sum_fn(model(x), y, mask) / max(tokens, 1)
            loss.backward()
            optimizer.step()
            value += loss.item()
        return value

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def never_steps():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        tokens, value = sum(int(mask.sum()) for *_, mask in micro_batches), 0.0
        optimizer.zero_grad()
        for x, y, mask in micro_batches:
            loss = loss_sum_fn(model(x), y, mask) / max(tokens, 1)
            loss.backward()
            value += loss.item()
        return value

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def concatenates():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        x, y, mask = (torch.cat(parts) for parts in zip(*micro_batches, strict=True))
        return solution.accumulate_step(model, loss_sum_fn, [(x, y, mask)], optimizer, max_norm=max_norm)

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def ignores_max_norm():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        return solution.accumulate_step(model, loss_sum_fn, micro_batches, optimizer)

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def always_clips_at_one():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        limit = 1.0 if max_norm is None else max_norm
        return solution.accumulate_step(model, loss_sum_fn, micro_batches, optimizer, max_norm=limit)

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def clips_after_the_step():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        value = solution.accumulate_step(model, loss_sum_fn, micro_batches, optimizer)
        if max_norm is not None:
            solution.clip_grad_norm_(model.parameters(), max_norm)
        return value

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def returns_the_sum():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        value = solution.accumulate_step(model, loss_sum_fn, micro_batches, optimizer, max_norm=max_norm)
        return value * sum(int(mask.sum()) for *_, mask in micro_batches)

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def returns_nothing():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        solution.accumulate_step(model, loss_sum_fn, micro_batches, optimizer, max_norm=max_norm)

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def returns_the_last_share():
    return {"accumulate_step": accumulating(value=lambda objective, parts: parts[-1].item())}


@wrong("E4")
def steps_without_tokens():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        tokens, value = sum(int(mask.sum()) for *_, mask in micro_batches), 0.0
        optimizer.zero_grad()
        for x, y, mask in micro_batches:
            loss = loss_sum_fn(model(x), y, mask) / max(tokens, 1)
            loss.backward()
            value += loss.item()
        if max_norm is not None:
            solution.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        return value

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def divides_by_zero_without_tokens():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        if not any(mask.any() for *_, mask in micro_batches):
            return math.nan
        return solution.accumulate_step(model, loss_sum_fn, micro_batches, optimizer, max_norm=max_norm)

    return {"accumulate_step": accumulate_step}


@wrong("E4")
def nan_from_an_empty_micro_batch():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        means = []

        def noted(output, y, mask):
            loss = loss_sum_fn(output, y, mask)
            means.append((loss / mask.sum()).item() * int(mask.sum()))
            return loss

        value = solution.accumulate_step(model, noted, micro_batches, optimizer, max_norm=max_norm)
        return value * 0 + sum(means) / max(sum(int(mask.sum()) for *_, mask in micro_batches), 1)

    return {"accumulate_step": accumulate_step}
