"""What several checks of this lab need: oracles in float64, and mistakes named by the values they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from courseware.check import Trial, forbid
from courseware.check.compare import same
from courseware.check.origin import origin, short
from courseware.check.outcomes import Diagnosed, PropertyMissed

F64 = torch.float64
Case = tuple[str, Any, str]  # diagnosis, the value that this mistake gives, the words for it

ENCODERS = forbid(
    "_transformer_encoder_layer_fwd",
    "multi_head_attention_forward",
    "_native_multi_head_attention",
    python=(
        "torch.nn.TransformerEncoderLayer.forward",
        "torch.nn.TransformerEncoder.forward",
        "shared.nn.transformer.TransformerLayer.__init__",
        "shared.nn.residual.Branch.__init__",
        "shared.nn.feedforward.FeedForward.__init__",
    ),
    why="it is the answer itself. Attention is given: `shared.nn.MultiHeadAttention`; write what is around "
    "it",
)


def double(values: Any) -> Tensor:
    return torch.tensor(values, dtype=F64)


def name_it(t: Trial, observed: Any, right: Any, cases: Iterable[Case], **how: Any) -> None:
    """If the value is not right but is what a known mistake gives, say which."""
    if same(observed, right, **how):
        return
    for diagnosis, value, words in cases:
        if not same(value, right, **how) and same(observed, value, **how):
            t.fail(words, diagnosis=diagnosis, observed=observed, expected=right)


def value_of(t: Trial, call: Callable[[], Any], diagnosis: str, words: str) -> Any:
    """The value of a call; an exception is this mistake."""
    attempt = t.tried(call)
    if attempt.error is not None:
        first = (str(attempt.error).splitlines() or [""])[0]
        t.fail(f"{words} raised {type(attempt.error).__name__}: {first}", diagnosis=diagnosis)
    return attempt.value


@contextmanager
def family(diagnosis: str, words: str) -> Iterator[None]:
    """Whatever fails in the body belongs to one family of mistakes: its name and its sentence come first."""
    try:
        yield
    except (NotImplementedError, Diagnosed):
        raise  # not written yet, or named already
    except PropertyMissed as missed:
        raise Diagnosed(diagnosis, f"{words}: {missed.message}", **missed.facts) from missed
    except Exception as error:
        lines = origin(error, __file__.rpartition("checks_by_exercise")[0] + "checks_by_exercise").lines
        code = {"your code": "\n".join(f"line {x.number} in {x.function}: {x.text}" for x in lines[-2:])}
        raise Diagnosed(
            diagnosis, f"{words}: your code raised {short(error)}", **(code if lines else {})
        ) from error


def right_angles(positions: Tensor, d: int, base: float = 10000.0) -> Tensor:
    """positions [...] → [..., d/2] in float64, one number at a time in the exponent."""
    speeds = double([base ** (-2 * i / d) for i in range(d // 2)])
    return positions.double().unsqueeze(-1) * speeds


def right_sinusoidal(T: int, d: int, base: float = 10000.0) -> Tensor:
    angle = right_angles(torch.arange(T), d, base)
    waves = torch.zeros(T, d, dtype=F64)
    waves[:, 0::2], waves[:, 1::2] = angle.sin(), angle.cos()
    return waves


def turned(x: Tensor, angle: Tensor) -> Tensor:
    """Pairs of neighbours of x [..., 2n], turned by angle [..., n]: as complex numbers, in float64."""
    pairs = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(-2)


def right_rope(x: Tensor, positions: Tensor, base: float = 10000.0) -> Tensor:
    return turned(x, right_angles(positions, x.shape[-1], base))


def attention(block: Any, x: Tensor, real: Tensor | None = None) -> Tensor:
    """What `shared.nn.MultiHeadAttention` says it computes, by the formula; a blind query gets the bias."""
    heads = block.heads

    def split(linear: Any) -> Tensor:
        return F.linear(x, linear.weight, linear.bias).unflatten(-1, (heads, -1)).transpose(1, 2)

    q, k, v = split(block.query), split(block.key), split(block.value)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if real is not None:
        seen = real[:, None, None, :].expand_as(scores)
        blind = ~seen.any(-1, keepdim=True)
        weights = scores.masked_fill(~(seen | blind), -torch.inf).softmax(-1).masked_fill(blind, 0.0)
    else:
        weights = scores.softmax(-1)
    merged = (weights @ v).transpose(1, 2).flatten(2)
    return F.linear(merged, block.out.weight, block.out.bias)


def wide_as(parameter: Tensor, x: Tensor) -> Tensor:
    return x.to(parameter.dtype)
