"""The known mistakes of E5's training, found after a few steps."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from courseware.check import Probes, Trial
from courseware.check.naming import value_of
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e5_scene import tensor_of
from shared.data import Vocabulary
from shared.data.dates import DatePair, date_pairs
from shared.data.vocabulary import END

probe = Probes()


def trained(a: Any, t: Trial, pairs: list[DatePair], **how: Any) -> Any:
    words = f"train_seq2seq({len(pairs)} pairs{''.join(f', {k}={v}' for k, v in how.items())})"
    t.given(words)
    model = value_of(t, lambda: a.train_seq2seq(pairs, **how), "training-raises", words)
    t.that(
        isinstance(model, nn.Module),
        f"train_seq2seq returned {'None' if model is None else f'a {type(model).__name__}'}, expected the "
        "model",
        diagnosis="no-model",
    )
    return model


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@probe("the-model-that-comes-back")
def what_comes_back(a: Any, t: Trial) -> None:
    pairs = date_pairs(80, seed=t.random.getrandbits(20), languages=("en", "it"))
    given = list(pairs)
    model = trained(a, t, pairs, steps=2)
    t.that(
        pairs == given,
        "the list of pairs that was given is another one after training (shuffled?): leave it as it is",
        diagnosis="changes-the-pairs",
    )
    t.that(
        not model.training, "the model came back in training mode: `model.eval()`", diagnosis="training-mode"
    )
    missing = [n for n in ("source_vocabulary", "target_vocabulary") if not hasattr(model, n)]
    t.that(not missing, f"the model has no `{missing and missing[0]}`", diagnosis="vocabularies-missing")
    for name, texts in (("source", [p.text for p in pairs]), ("target", [p.iso for p in pairs])):
        found, right = getattr(model, f"{name}_vocabulary"), Vocabulary.of(texts)
        t.that(
            isinstance(found, Vocabulary),
            f"`{name}_vocabulary` is a {type(found).__name__}, expected a shared.data.Vocabulary",
            diagnosis="vocabularies-missing",
        )
        extra = "".join(sorted(set(found.characters) - set(right.characters)))
        absent = "".join(sorted(set(right.characters) - set(found.characters)))
        t.that(
            not extra and not absent,
            f"`{name}_vocabulary` "
            + (f"knows {extra!r}, which occurs in no given pair" if extra else f"does not know {absent!r}")
            + f": it is made of the {'texts' if name == 'source' else 'iso strings'} of the pairs",
            diagnosis="vocabulary-of-something-else",
        )


@probe("seeds")
def seeds(a: Any, t: Trial) -> str | None:
    pairs = date_pairs(80, seed=5)
    torch.manual_seed(1)
    first = weights(trained(a, t, pairs, steps=2, seed=3))
    torch.manual_seed(2)
    if not torch.equal(first, weights(trained(a, t, pairs, steps=2, seed=3))):
        return (
            "two calls with the same seed gave different weights: initial weights and batches come from "
            "`seed` alone"
        )
    if torch.equal(first, weights(trained(a, t, pairs, steps=2, seed=4))):
        t.fail("another seed gave the same weights: `seed` is ignored", diagnosis="seed-ignored")
    if torch.equal(first, weights(trained(a, t, pairs, steps=3, seed=3))):
        t.fail("steps=2 and steps=3 gave the same weights: `steps` is ignored", diagnosis="steps-ignored")
    return None


def losses(model: Any, pairs: list[DatePair]) -> tuple[float, float, float]:
    """Of repeating what it reads, of saying what comes next; and the probability of END after a date."""
    src, real = tensor_of(model, pairs)
    full = torch.stack([model.target_vocabulary.encode(p.iso, ends=True) for p in pairs])
    with torch.no_grad():
        logits = model.decode(model.encode(src, real), real, full[:, :-1])
    copying = F.cross_entropy(logits[:, 1:].flatten(0, 1), full[:, 1:-1].flatten())
    following = F.cross_entropy(logits.flatten(0, 1), full[:, 1:].flatten())
    return float(copying), float(following), float(logits[:, -1].softmax(-1)[:, END].mean())


@probe("after-some-steps")
def some_steps(a: Any, t: Trial) -> None:
    pairs = date_pairs(300, seed=t.random.getrandbits(20), languages=("en",), styles=("long",))
    copying_at_first, *_ = losses(trained(a, t, pairs, steps=1), pairs[:64])
    copying, following, end = losses(trained(a, t, pairs, steps=40), pairs[:64])
    t.that(
        following < 2.3 or copying > copying_at_first / 2,
        f"in 40 steps the model learned to repeat what it reads (a loss of {copying:.2f}) and not to say "
        f"what comes next ({following:.2f}): the decoder was shown the token that it had to say. Shift by "
        "one",
        diagnosis="not-shifted",
    )
    t.that(
        following < 2.3,
        f"after 40 steps the loss of a next token is {following:.2f}, not much below log 15 = 2.71: hardly "
        "anything was learned",
        diagnosis="does-not-learn",
    )
    t.that(
        not 0.05 < end <= 0.3,
        f"after 40 steps END has probability {end:.2f} behind the ten characters of a date, expected above "
        "0.3: it is learned, but slowly. Are all `steps` taken, is the rate as high as 4e-3?",
        diagnosis="learns-slowly",
    )
    t.that(
        end > 0.3,
        f"after the ten characters of a date END has probability {end:.2f}: without END in the targets the "
        "model never stops, and writes 2006-04-3000",
        diagnosis="no-end-token",
    )
