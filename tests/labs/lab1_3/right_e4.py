"""Right answers to E4, written otherwise than the reference."""

from __future__ import annotations

import math

import torch

from tests.labs.answers import Answers

right = Answers()


@right("E4")
def one_long_vector():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        grads = [p.grad for p in params if p.grad is not None]
        flat = torch.cat([g.reshape(-1).double() for g in grads] + [torch.zeros(1, dtype=torch.float64)])
        norm = (
            flat.abs().max() if norm_type == math.inf else (flat.abs() ** norm_type).sum() ** (1 / norm_type)
        )
        if error_if_nonfinite and not torch.isfinite(norm):
            raise RuntimeError("gradients are not finite")
        factor = max_norm / (norm + 1e-6)
        if factor < 1 and norm > max_norm:
            for g in grads:
                g.copy_(g * float(factor))
        return norm

    return {"clip_grad_norm_": clip_grad_norm_}


@right("E4")
def divided_by_the_largest():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        params = [p for p in params if p.grad is not None and p.grad.numel()]
        if not params:
            return torch.zeros(())
        largest = max(float(p.grad.abs().max()) for p in params)
        nan = any(bool(p.grad.isnan().any()) for p in params)
        if nan or math.isinf(largest):
            norm = math.nan if nan else math.inf
        elif largest == 0:
            norm = 0.0
        elif norm_type == math.inf:
            norm = largest
        else:
            parts = [float(((p.grad / largest).abs() ** norm_type).sum()) for p in params]
            norm = largest * math.fsum(parts) ** (1 / norm_type)
        if error_if_nonfinite and not math.isfinite(norm):
            raise RuntimeError("not finite")
        if norm > max_norm:
            for p in params:
                p.grad = p.grad * (max_norm / norm)
        return torch.tensor(norm, dtype=torch.float64)

    return {"clip_grad_norm_": clip_grad_norm_}


@right("E4")
def with_hypot():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        grads = list(filter(lambda g: g is not None and g.numel() > 0, (p.grad for p in params)))
        each = [torch.linalg.vector_norm(g.to(torch.float64), ord=norm_type).item() for g in grads]
        if any(math.isnan(x) for x in each):
            total = math.nan
        elif norm_type == 2:
            total = math.hypot(*each)
        elif norm_type == math.inf:
            total = max(each, default=0.0)
        else:
            total = sum(x**norm_type for x in each) ** (1.0 / norm_type)
        if error_if_nonfinite and (math.isnan(total) or math.isinf(total)):
            raise RuntimeError(f"total norm {total}")
        if total > max_norm:
            torch._foreach_mul_(grads, max_norm / total)
        return torch.tensor(total)

    return {"clip_grad_norm_": clip_grad_norm_}


@right("E4")
def always_multiplies_by_the_minimum():
    def clip_grad_norm_(params, max_norm, norm_type=2.0, error_if_nonfinite=False):
        grads = [p.grad for p in params if p.grad is not None]
        norms = torch.tensor(
            [float(g.double().norm(norm_type)) if g.numel() else 0.0 for g in grads]
        ).double()
        norm = norms.norm(norm_type) if len(norms) else torch.tensor(0.0)
        if error_if_nonfinite and not norm.isfinite().item():
            raise RuntimeError("not finite")
        factor = min(1.0, max_norm / (float(norm) + 1e-45)) if norm.isfinite() else math.nan
        with torch.no_grad():
            for g in grads:
                g *= factor
        return norm

    return {"clip_grad_norm_": clip_grad_norm_}


@right("E4")
def scaled_at_the_end():
    """Sums are differentiated as they are; the gradient is divided once, before the step."""

    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        for p in model.parameters():
            p.grad = None
        total = torch.zeros((), dtype=torch.float64)
        count = 0
        for x, y, mask in micro_batches:
            n = int(mask.sum())
            if n == 0:
                continue
            loss = loss_sum_fn(model(x), y, mask)
            loss.backward()
            total += loss.detach()
            count += n
        if count == 0:
            return 0.0
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        for g in grads:
            g.div_(count)
        if max_norm is not None:
            norm = torch.cat([g.reshape(-1) for g in grads]).norm()
            if norm > max_norm:
                for g in grads:
                    g.mul_(max_norm / norm)
        optimizer.step()
        return (total / count).item()

    return {"accumulate_step": accumulate_step}


@right("E4")
def seeds_the_backward_pass():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        from phase1_foundations.lab3_training_loop.solution import clip_grad_norm_

        count = sum(mask.sum().item() for _, _, mask in micro_batches)
        if not count:
            return 0.0
        optimizer.zero_grad(set_to_none=False)
        losses = []
        for x, y, mask in micro_batches:
            loss = loss_sum_fn(model(x), y, mask)
            loss.backward(torch.full_like(loss, 1 / count))
            losses.append(float(loss))
        if max_norm is not None:
            clip_grad_norm_(list(model.parameters()), max_norm)
        optimizer.step()
        return math.fsum(losses) / count

    return {"accumulate_step": accumulate_step}


@right("E4")
def gradients_by_hand():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        params = [p for p in model.parameters() if p.requires_grad]
        masks = torch.cat([mask.reshape(-1) for _, _, mask in micro_batches])
        tokens = masks.sum().item()
        if tokens == 0:
            return 0.0
        sums, value = [torch.zeros_like(p) for p in params], 0.0
        for x, y, mask in micro_batches:
            loss = loss_sum_fn(model(x), y, mask)
            for s, g in zip(sums, torch.autograd.grad(loss, params, allow_unused=True), strict=True):
                if g is not None:
                    s += g
            value += loss.item()
        for p, s in zip(params, sums, strict=True):
            p.grad = s / tokens
        if max_norm is not None:
            norm = math.sqrt(sum(float((p.grad**2).sum()) for p in params))
            for p in params:
                p.grad *= min(1.0, max_norm / (norm + 1e-6))
        optimizer.step()
        return value / tokens

    return {"accumulate_step": accumulate_step}


@right("E4")
def weighted_means():
    def accumulate_step(model, loss_sum_fn, micro_batches, optimizer, *, max_norm=None):
        from phase1_foundations.lab3_training_loop.solution import clip_grad_norm_

        counts = [int(mask.count_nonzero()) for *_, mask in micro_batches]
        everything = sum(counts)
        if everything < 1:
            return 0.0
        optimizer.zero_grad()
        result = 0.0
        for (x, y, mask), n in zip(micro_batches, counts, strict=True):
            if n:
                share = loss_sum_fn(model(x), y, mask) / n * (n / everything)
                share.backward()
                result += share.item()
        if max_norm is not None:
            clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        return result

    return {"accumulate_step": accumulate_step}
