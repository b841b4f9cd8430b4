"""The known mistakes of E5's three models, found on a few untrained names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from courseware.check import Trial, forbid
from courseware.check.compare import same
from courseware.check.naming import value_of
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.e5_mistakes import probe
from phase2_intermediate.lab2_transformer_encoder.checks_by_exercise.tools import ENCODERS

MODELS = ("TextCNN", "BiLSTM", "CharTransformer")
CLOSE = {"rtol": 1e-3, "atol": 1e-4}
OURS = forbid(
    python=tuple(
        f"shared.models.{path}.__init__"
        for path in ("text_cnn.TextCNN", "bilstm.BiLSTM", "transformer_encoder.TransformerEncoder",
                     "transformer_stack.TransformerStack")
    ),
    why="it is the answer itself: build the model from its parts",
)  # fmt: skip
NO_SHORT_CUTS = forbid(
    "conv1d", "conv2d", "conv3d", "convolution", "unfold", "lstm", "gru", "rnn_tanh", "rnn_relu",
     "avg_pool1d",
    why="the Transformer of this comparison has no convolution and no recurrence; with one below it, it "
        "would be "
    "another model",
)  # fmt: skip


def made(a: Any, t: Trial, name: str, vocabulary: int = 40, **how: Any) -> Any:
    """A model in evaluation mode whose parameters are random, biases included."""
    words = f"{name}({vocabulary}{''.join(f', {k}={v}' for k, v in how.items())})"
    t.given(words)
    with OURS.hold(), ENCODERS.hold():
        model = value_of(t, lambda: getattr(a, name)(vocabulary, **how), "model-cannot-be-built", words)
    t.that(isinstance(model, nn.Module), f"{name} must be an nn.Module", diagnosis="not-a-module")
    return model.eval()


def logits_of(t: Trial, model: Any, tokens: Tensor) -> Tensor:
    words = f"calling a {type(model).__name__} with tokens {tuple(tokens.shape)}"
    with torch.no_grad(), ENCODERS.hold():
        out = value_of(t, lambda: model(tokens), "forward-fails", words)
    t.that(isinstance(out, Tensor), f"{words} gave a {type(out).__name__}", diagnosis="not-logits")
    return out


def words_of(t: Trial, *lengths: int, vocabulary: int = 40) -> Tensor:
    tokens = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    for row, length in zip(tokens, lengths, strict=True):
        row[:length] = t.randint(1, vocabulary, length)
    return tokens


@probe("not-logits")
def logits(a: Any, t: Trial) -> str | None:
    tokens = words_of(t, 6, 3, 5, 5, 1)
    for name in MODELS:
        out = logits_of(t, made(a, t, name), tokens)
        if tuple(out.shape) != (5, 12):
            return (
                f"{name}: 5 names gave {tuple(out.shape)}, expected (5, 12): one vector a name, then 12 "
                "logits"
            )
        if bool((out >= 0).all()) and same(out.sum(1), torch.ones(5), rtol=1e-3):
            return (
                f"{name}: the rows are probabilities. Cross-entropy takes *logits* and does the softmax "
                "itself"
            )
        if bool((out <= 0).all()) and same(out.exp().sum(1), torch.ones(5), rtol=1e-3):
            return f"{name}: the rows are logarithms of probabilities: return the last linear layer's logits"
        if bool((logits_of(t, made(a, t, name), words_of(t, *[5] * 60)) >= 0).all()):
            return f"{name}: no logit is ever negative: nothing comes after the last linear layer"
        if same(out[0], out[1]) or same(out[1], out[2]):
            return f"{name}: different names get the same logits"
    return None


@probe("classes-or-vocabulary-ignored")
def sizes(a: Any, t: Trial) -> str | None:
    for name in MODELS:
        if logits_of(t, made(a, t, name, classes=5), words_of(t, 4, 4)).shape != (2, 5):
            return f"{name}(40, classes=5) does not give 5 logits: `classes` has no effect"
        attempt = t.tried(lambda n=name: made(a, t, n, 300)(torch.tensor([[299] * 6])))
        if attempt.error is not None:
            return (
                f"{name}(300) fails for the token 299 ({type(attempt.error).__name__}): `vocabulary` is how "
                "many "
                "numbers there are, 0 and 1 included"
            )
    return None


@probe("short-names")
def short(a: Any, t: Trial) -> str | None:
    for name in MODELS:
        for length in (1, 2, 3):
            attempt = t.tried(lambda n=name, k=length: made(a, t, n)(words_of(t, k)))
            if attempt.error is not None:
                return (
                    f"{name} fails for a name of {length} letter(s): {attempt.error}. Windows may be longer "
                    "than names"
                )
            if not bool(attempt.value.isfinite().all()):
                return f"{name} gives NaN or ∞ for a name of {length} letter(s)"
    return None


@probe("names-influence-each-other")
def company(a: Any, t: Trial) -> None:
    tokens, other = words_of(t, 5, 5, 5), words_of(t, 5, 5, 5)
    for name in MODELS:
        model = made(a, t, name)
        found = logits_of(t, model, tokens)
        t.that(
            same(logits_of(t, model, tokens), found, rtol=1e-6),
            f"{name}: in evaluation mode two calls differ: `F.dropout` needs `self.training`",
            diagnosis="dropout-in-evaluation",
        )
        mixed = logits_of(t, model, torch.cat((tokens[:1], other[1:])))
        t.that(
            same(found[0], mixed[0], **CLOSE)
            and same(logits_of(t, model, tokens.flip(0)).flip(0), found, **CLOSE),
            f"{name}: the logits of a name depend on the other names in the batch, or on its row: are batch "
            "and time "
            "exchanged?",
            diagnosis="names-influence-each-other",
        )


PADDING = {
    "TextCNN": ("cnn-padding-counts", "the maximum must not see what the detectors answer to padding: leave "
                                      "those places "
                "out, and let padding be zeros below the detectors"),
    "BiLSTM": ("lstm-padding-counts", "a state after padding was used. Use packed sequences, or gather at "
                                      "length − 1; and "
               "read backwards from the last *real* letter"),
    "CharTransformer": ("transformer-padding-counts", "give the layers the mask, and pool over real letters "
                                                      "only"),
}  # fmt: skip


@probe("padding-counts")
def padding(a: Any, t: Trial) -> None:
    tokens = words_of(t, 6, 3, 2, 1, 5)
    for name in MODELS:
        model = made(a, t, name)
        one = logits_of(t, model, tokens)
        two = logits_of(t, model, torch.cat((tokens, torch.zeros(5, 7, dtype=torch.long)), 1))
        alone = [logits_of(t, model, row[row != 0][None]) for row in tokens]
        diagnosis, words = PADDING[name]
        change = max(
            float((one - two).abs().max()),
            *(float((x - y).abs().max()) for x, y in zip(one, alone, strict=True)),
        )
        t.that(
            same(one, two, **CLOSE) and all(same(x[0], y, **CLOSE) for x, y in zip(alone, one, strict=True)),
            f"{name}: the logits of a name change by up to {change:.2g} with the padding behind it: {words}",
            diagnosis=diagnosis,
        )


@probe("order-does-not-count")
def order(a: Any, t: Trial) -> None:
    tokens = words_of(t, 7, 7)
    for name in MODELS:
        model = made(a, t, name)
        turned = logits_of(t, model, tokens.flip(1))
        words = {
            "CharTransformer": "attention treats letters as a set: add positions",
            "TextCNN": "windows of one letter only? They are 2, 3 and 4 letters long",
            "BiLSTM": "its states are not used",
        }[name]
        t.that(
            not same(turned, logits_of(t, model, tokens), rtol=1e-4, atol=1e-5),
            f"{name}: a name read backwards gets the same logits: {words}",
            diagnosis="positions-forgotten" if name == "CharTransformer" else "order-does-not-count",
        )


def row(text: str) -> Tensor:
    return torch.tensor([[ord(c) - 95 for c in text]])  # a is 2


@probe("not-a-set-of-detectors")
def detectors(a: Any, t: Trial) -> None:
    """Two texts with the same strings of up to four letters are the same to detectors of up to four."""
    model = made(a, t, "TextCNN")
    one, other = (logits_of(t, model, row(text)) for text in ("xyzaxyzbxyz", "xyzbxyzaxyz"))
    once, twice = (logits_of(t, model, row(text)) for text in ("xyzaxyz", "xyzaxyzaxyz"))
    t.that(
        same(one, other, **CLOSE),
        "TextCNN: the names xyzaxyzbxyz and xyzbxyzaxyz have the same strings of up to four letters, and "
        "get other "
        "logits: one layer of windows of 2, 3 and 4 letters, then the maximum, cannot tell them apart",
        diagnosis="not-a-set-of-detectors",
    )
    t.that(
        same(once, twice, **CLOSE),
        "TextCNN: a string that occurs twice counts more than one that occurs once: take the *maximum* over "
        "the places, "
        "not a mean or a sum",
        diagnosis="not-the-maximum",
    )
    for size, pair in ((4, ("xyaxybxy", "xybxyaxy")), (3, ("xaxbx", "xbxax"))):
        one, other = (logits_of(t, model, row(text)) for text in pair)
        t.that(
            not same(one, other, rtol=1e-4, atol=1e-5),
            f"TextCNN: {pair[0]} and {pair[1]} get the same logits, although they differ in strings of "
            f"{size} letters: "
            f"is there a window of {size}?",
            diagnosis="window-missing",
        )


@probe("reads-in-one-direction")
def directions(a: Any, t: Trial) -> str | None:
    model = made(a, t, "BiLSTM")
    kinds = (nn.RNNBase, nn.RNNCellBase)
    readers = [m for m in model.modules() if isinstance(m, kinds)]
    calls = []
    handles = [m.register_forward_hook(lambda m, *_: calls.append(m)) for m in readers]
    logits_of(t, model, words_of(t, 4, 3))
    for handle in handles:
        handle.remove()
    if not readers:
        return None
    if len(calls) == 1 and not getattr(calls[0], "bidirectional", True):
        return (
            "BiLSTM: its LSTM reads in one direction only: `bidirectional=True`, or a second one that reads "
            "backwards"
        )
    if not any(isinstance(m, nn.LSTM | nn.LSTMCell) for m in readers):
        return f"BiLSTM: it has no LSTM, but a {type(readers[0]).__name__}"
    return None


@probe("another-kind-of-transformer")
def plain_transformer(a: Any, t: Trial) -> str | None:
    model = made(a, t, "CharTransformer")
    with NO_SHORT_CUTS.hold():
        logits_of(t, model, words_of(t, 5, 3))
    layers = [
        m for m in model.modules() if hasattr(m, "attention") and hasattr(m, "up") and hasattr(m, "down")
    ]
    if len(layers) < 2:
        return f"CharTransformer has {len(layers)} EncoderLayer(s), expected two or more"
    return None


@probe("no-gradient")
def learns(a: Any, t: Trial) -> str | None:
    for name in MODELS:
        model = made(a, t, name).train()
        out = model(words_of(t, 6, 6, 5, 4))
        if not out.requires_grad:
            return f"{name}: the logits are cut off from autograd"
        nn.functional.cross_entropy(out, t.randint(0, 12, 4)).backward()
        still = [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None]
        if still:
            return f"{name}: no gradient arrives at {', '.join(still[:3])}: it takes no part in the logits"
    return None


@probe("unequal-sizes")
def equal_sizes(a: Any, t: Trial) -> str | None:
    counts = {
        name: sum(p.numel() for p in made(a, t, name, 120).parameters() if p.requires_grad) for name in MODELS
    }
    if max(counts.values()) > 2 * min(counts.values()):
        shown = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        return (
            f"for a vocabulary of 120 the parameters are {shown}: the largest may have twice those of the "
            "smallest"
        )
    return None
