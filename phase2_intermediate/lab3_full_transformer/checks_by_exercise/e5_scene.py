"""Models of random weights that write something, and what they write: the oracle of E5's evaluation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from courseware.check import Trial
from courseware.check.naming import value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e4_tables import penalty
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import Plain
from shared.data import Vocabulary
from shared.data.dates import DatePair, date_pairs
from shared.data.vocabulary import END, START

LIMIT = 12


def random_model(t: Trial, pairs: list[DatePair], **how: Any) -> Any:
    """A model of random weights: what it writes depends on the text and on what it wrote before."""
    source, target = Vocabulary.of(p.text for p in pairs), Vocabulary.of(["0123456789-"])
    torch.manual_seed(t.random.getrandbits(40))
    model: Any = Plain(len(source), len(target), **how)
    with torch.no_grad():
        model.out.weight.mul_(3.0)
        model.out.bias[:2] -= 99.0
        for layer in model.layers:
            for attention, sharper in ((layer.attention, 3.0), (layer.cross, 6.0)):
                attention.key.weight.mul_(sharper)
                attention.out.weight.mul_(4.0)
    model.source_vocabulary, model.target_vocabulary = source, target
    return model.double().eval()  # in float32 two nearly equal logits could change places


def written(model: Any, text: str, limit: int = LIMIT) -> list[int]:
    """Greedy decoding, one text, the whole prefix at every step."""
    with torch.no_grad():
        memory = model.encode(model.source_vocabulary.encode(text)[None], None)
        tokens: list[int] = []
        while len(tokens) < limit and END not in tokens:
            logits = model.decode(memory, None, torch.tensor([[START, *tokens]]))[0, -1]
            tokens.append(int(logits.argmax()))
    return tokens


def searched(model: Any, text: str, beam: int = 4, alpha: float = 0.6, *, logits: bool = False) -> list[int]:
    """Beam search, one text, the whole prefix at every step."""
    live: list[tuple[list[int], float]] = [([], 0.0)]
    done: list[tuple[list[int], float]] = []
    with torch.no_grad():
        memory = model.encode(model.source_vocabulary.encode(text)[None], None)
        for _ in range(LIMIT):
            prefixes = torch.tensor([[START, *tokens] for tokens, _ in live])
            scores = model.decode(memory.expand(len(live), -1, -1), None, prefixes)[:, -1]
            rows = (scores if logits else scores.log_softmax(-1)).tolist()
            kept = [
                ([*y, v], s + x) for (y, s), row in zip(live, rows, strict=True) for v, x in enumerate(row)
            ]
            kept = sorted(kept, key=lambda c: -c[1])[:beam]
            done += [c for c in kept if c[0][-1] == END]
            live = [c for c in kept if c[0][-1] != END]
            if not live:
                break
    return max(done + live, key=lambda c: c[1] / penalty("", c[0], alpha))[0]


def asked(a: Any, t: Trial, model: Any, pairs: list[DatePair], *how: Any, **named: Any) -> dict[str, Any]:
    words = f"evaluate(model, {len(pairs)} pairs{''.join(f', {x!r}' for x in how)}" + (
        "".join(f", {k}={v!r}" for k, v in named.items()) + ")"
    )
    report = value_of(t, lambda: a.evaluate(model, pairs, *how, **named), "evaluate-raises", words)
    missing = [key for key in ("outputs", "exact", "by_language", "by_style") if key not in report]
    t.that(not missing, f"the report has no {missing}: four keys are asked for", diagnosis="keys-missing")
    outputs = report["outputs"]
    t.that(
        isinstance(outputs, list) and len(outputs) == len(pairs) and all(isinstance(x, str) for x in outputs),
        f'"outputs" of {words} is not a list of {len(pairs)} strings',
        diagnosis="outputs-are-no-strings",
    )
    return dict(report)


def scene(t: Trial, count: int = 24, **how: Any) -> tuple[Any, list[DatePair], list[str]]:
    """A random model, pairs of which every second has as its iso what the model writes, and what it writes.

    Of many models one is taken that shows the mistakes: some texts end early, some not at all.
    """
    pairs = date_pairs(count, seed=t.random.getrandbits(20))
    for _ in range(60):
        model = random_model(t, pairs, **how)
        tokens = in_one_batch(model, pairs)
        ends = [row.index(END) if END in row else LIMIT + 1 for row in tokens.tolist()]
        early, late = sum(2 <= end < 10 for end in ends), sum(end > LIMIT for end in ends)
        varied = len({tuple(row[:10]) for row in tokens.tolist()})
        if min(early, late) >= count // 6 and varied > count // 3:
            break
    right = [model.target_vocabulary.decode(written(model, pair.text)) for pair in pairs]
    given = [p._replace(iso=out) if i % 2 else p for i, (p, out) in enumerate(zip(pairs, right, strict=True))]
    model.decoded = model.embedded = 0
    return model, given, right


def in_one_batch(model: Any, pairs: list[DatePair], *, masked: bool = True, limit: int = LIMIT + 1) -> Tensor:
    """Greedy decoding of all pairs in a padded batch: the tokens, ends and what follows them included."""
    src, real = tensor_of(model, pairs)
    tokens = torch.full((len(pairs), 1), START)
    with torch.no_grad():
        memory = model.encode(src, real)
        for _ in range(limit):
            logits = model.decode(memory, real if masked else None, tokens)[:, -1]
            tokens = torch.cat((tokens, logits.argmax(-1, keepdim=True)), 1)
    return tokens[:, 1:]


def forced(model: Any, pairs: list[DatePair]) -> list[str]:
    outputs = []
    with torch.no_grad():
        for pair in pairs:
            memory = model.encode(model.source_vocabulary.encode(pair.text)[None], None)
            tokens = model.target_vocabulary.encode(pair.iso, ends=True)[None, :-1]
            outputs.append(model.target_vocabulary.decode(model.decode(memory, None, tokens)[0].argmax(-1)))
    return outputs


def decoded(model: Any, tokens: Tensor) -> list[str]:
    return [model.target_vocabulary.decode(row) for row in tokens]


def without_ends(model: Any, tokens: Tensor) -> list[str]:
    """All twelve tokens, the ends taken out."""
    return ["".join(model.target_vocabulary.decode([x]) for x in row if x != END) for row in tokens.tolist()]


def tensor_of(model: Any, pairs: list[DatePair]) -> tuple[Tensor, Tensor]:
    rows = [model.source_vocabulary.encode(pair.text) for pair in pairs]
    width = max(map(len, rows))
    src = torch.stack([torch.nn.functional.pad(row, (0, width - len(row))) for row in rows])
    return src, torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]
