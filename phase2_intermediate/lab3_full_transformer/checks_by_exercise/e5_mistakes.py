"""The known mistakes of E5's pairs and evaluation, found on models of random weights."""

from __future__ import annotations

from typing import Any

from courseware.check import Probes, Trial
from courseware.check.naming import name_it
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e5_scene import (
    LIMIT,
    asked,
    decoded,
    forced,
    in_one_batch,
    scene,
    searched,
    without_ends,
    written,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import another_default
from shared.data.dates import DatePair
from shared.data.vocabulary import END

probe = Probes()


DEFAULTS = {
    "train_seq2seq": {"steps": 300, "seed": 0},
    "evaluate": {"decoder": "greedy", "cached": True},
}


@probe("defaults")
def defaults(a: Any, t: Trial) -> str | None:
    return another_default(a, DEFAULTS)


@probe("unseen")
def unseen(a: Any, t: Trial) -> None:
    def made(*numbers: int, language: str = "it") -> list[DatePair]:
        return [DatePair(f"{n} mar 2001", f"2001-03-{n:02}", language, "medium") for n in numbers]

    training, other = made(1, 2), made(2, language="es")  # the same text as in Italian
    written_out = DatePair(
        "1 marzo 2001", "2001-03-01", "it", "long"
    )  # a day that was trained on, as another text
    pairs = [*made(5, 1, 4), *other, *made(5), written_out, *made(4, language="es"), *made(3)]
    shouted = DatePair("5 MAR 2001", "2001-03-05", "it", "medium")
    pairs.append(shouted)
    right = [pairs[0], pairs[2], written_out, pairs[7], shouted]
    found = a.unseen_pairs(pairs, training)
    t.that(
        all(isinstance(pair, DatePair) for pair in found),
        f"the result holds {type(found[0]).__name__ if found else 'nothing'}, expected the pairs themselves",
        diagnosis="not-pairs",
    )
    texts, days = {pair.text for pair in training}, {pair.iso for pair in training}

    def new(keep: Any) -> list[DatePair]:
        return [pair for pair in pairs if keep(pair)]

    spanish = "a text that was trained on as Italian came back as Spanish: compare the texts, not the pairs"
    by_day = "a text was left out because its day was trained on in other words: compare the texts alone"
    name_it(
        t,
        found,
        right,
        [
            ("nothing-excluded", pairs, "texts of the training are among the result"),
            ("nothing-excluded", list(dict.fromkeys(pairs)), "texts of the training are among the result"),
            ("compares-whole-pairs", list(dict.fromkeys(new(lambda p: p not in training))), spanish),
            ("compares-whole-pairs", new(lambda p: p not in training), spanish),
            ("compares-the-answers", new(lambda p: p.iso not in days), by_day),
            ("compares-the-answers", [pairs[0], pairs[2], pairs[7]], by_day),
            ("compares-the-answers", [pairs[0], pairs[2], pairs[7], shouted], by_day),
            (
                "ignores-capitals",
                right[:-1],
                f"{shouted.text!r} was left out because of {pairs[0].text!r}: compare the texts as they are",
            ),
            ("texts-repeat", new(lambda p: p.text not in texts), "texts come several times: each once"),
            ("inverted", new(lambda p: p.text in texts), "the pairs that *were* trained on came back"),
        ],
    )
    names, wanted = [pair.text for pair in found], [pair.text for pair in right]
    t.that(
        sorted(names) != sorted(wanted) or names == wanted,
        f"the texts came in the order {names}: keep that of the pairs, {wanted}",
        diagnosis="order-changed",
    )
    t.that(
        names != wanted or found == right,
        "of pairs with equal texts another than the first was kept",
        diagnosis="keeps-the-last",
    )
    t.that(
        found == right,
        f"unseen_pairs gave the texts {names}, expected {wanted}",
        diagnosis="unseen-wrong",
    )


@probe("what-it-writes")
def outputs(a: Any, t: Trial) -> None:
    model, pairs, right = scene(t)
    report = asked(a, t, model, pairs)
    found = report["outputs"]

    def up_to(limit: int) -> list[str]:
        return [model.target_vocabulary.decode(written(model, p.text, limit)) for p in pairs]

    together = in_one_batch(model, pairs, limit=LIMIT)
    filtered = without_ends(model, together)
    ends = [row.index(END) + 1 if END in row else LIMIT for row in together.tolist()]
    name_it(
        t,
        found,
        right,
        [
            (
                "teacher-forced",
                forced(model, pairs),
                "the outputs are what the model says when it is shown the right answer: in evaluation it "
                "reads what it wrote itself",
            ),
            ("gold-returned", [p.iso for p in pairs], "the outputs are `pair.iso`"),
            ("goes-on-after-the-end", filtered, "the outputs go on after END: what comes after it is noise"),
            *(
                (
                    "stops-with-one-row",
                    decoded(model, together[:, :end]),
                    "writing stops for all texts as soon as one of them has ended: go on until all have, "
                    "or 12 tokens are written",
                )
                for end in (min(ends), ends[0])
            ),
            (
                "padding-attended",
                decoded(model, in_one_batch(model, pairs, masked=False, limit=LIMIT)),
                "padding of the sources is attended to: in a batch of texts of different lengths, give the "
                "mask to encode and decode",
            ),
            ("limit-of-twelve", up_to(10), "long outputs are cut at 10 tokens: at most 12"),
            ("limit-of-twelve", up_to(11), "long outputs are cut at 11 tokens: at most 12"),
            (
                "limit-of-twelve",
                [x[:10] for x in right],
                "outputs are cut at 10 characters: at most 12 tokens",
            ),
            (
                "limit-of-twelve",
                [x[:11] for x in right],
                "outputs are cut at 11 characters: at most 12 tokens",
            ),
            ("limit-of-twelve", up_to(13), "outputs have up to 13 tokens: at most 12"),
            (
                "without-the-first-character",
                [x[1:] for x in right],
                "the first character is missing in each output",
            ),
        ],
    )
    t.that(
        found == right or sorted(found) != sorted(right),
        "the outputs are in another order than the pairs: output i belongs to pair i",
        diagnosis="outputs-in-another-order",
    )
    changed = [p._replace(iso="2000-01-01") for p in pairs]
    t.that(
        asked(a, t, model, changed)["outputs"] == found,
        "the outputs change when `pair.iso` is changed: the model must read what it wrote itself, not the "
        "answer",
        diagnosis="teacher-forced",
    )
    lonely = [asked(a, t, model, [p])["outputs"][0] for p in pairs[:6]]
    t.that(
        found == right or lonely == found[:6],
        "a text gets another output alone than in a batch: the mask of the padding is missing somewhere, or "
        "one row of the batch decides for others",
        diagnosis="padding-attended",
    )
    first = next((i for i, (x, y) in enumerate(zip(found, right, strict=True)) if x != y), 0)
    t.that(
        found == right,
        f"for {pairs[first].text!r} the output is {found[first]!r}, free-running greedy decoding gives "
        f"{right[first]!r}",
        diagnosis="outputs-wrong",
    )


@probe("dropout-at-evaluation")
def dropout(a: Any, t: Trial) -> str | None:
    model, pairs, right = scene(t, 12, dropout=0.5)
    model.train()
    if asked(a, t, model, pairs)["outputs"] != right:
        return (
            "with a model in training mode the outputs are random: dropout is on. Evaluate in evaluation mode"
        )
    return None


@probe("decoder-not-refused")
def decoder_argument(a: Any, t: Trial) -> str | None:
    model, pairs, _ = scene(t, 2)
    attempt = t.tried(lambda: a.evaluate(model, pairs, decoder="best"))
    if not isinstance(attempt.error, ValueError):
        what = "nothing" if attempt.error is None else type(attempt.error).__name__
        return f'decoder="best" raised {what}: only "greedy" and "beam" are decoders, else a ValueError'
    return None


@probe("with-and-without-cache")
def caching(a: Any, t: Trial) -> str | None:
    model, pairs, right = scene(t, 10)
    for cached in (True, False):
        model.decoded = model.embedded = 0
        found = asked(a, t, model, pairs, cached=cached)["outputs"]
        if found != right:
            return f"with cached={cached} the outputs are not those of free-running greedy decoding"
        t.that(
            not (cached and model.decoded),
            "with cached=True `model.decode` is called: `decode_step` and a KVCache are asked for",
            diagnosis="cache-not-used",
        )
        t.that(
            not cached or model.embedded <= 10 * (LIMIT + 1),
            f"with cached=True {model.embedded} target positions were computed for 10 texts: at most 12 each",
            diagnosis="cache-not-used",
        )
        t.that(
            cached or model.decoded,
            "with cached=False `model.decode` is never called: it decodes without a cache, to compare",
            diagnosis="cached-ignored",
        )
    model.decoded = 0
    asked(a, t, model, pairs)
    if model.decoded:
        t.fail(
            "without arguments `model.decode` is called: `cached=True` is the default",
            diagnosis="cache-not-used",
        )
    return None


@probe("the-beam")
def with_beam(a: Any, t: Trial) -> None:
    model, pairs, _ = scene(t, 30)
    decode = model.target_vocabulary.decode
    right = [decode(searched(model, p.text)) for p in pairs]
    plain = asked(a, t, model, pairs, "beam", cached=False)["outputs"]
    if plain != right:
        name_beam(t, model, pairs, plain, right)
    model.decoded = 0
    t.that(
        asked(a, t, model, pairs, decoder="beam")["outputs"] == right,
        "with a cache the beam writes something else than without: after each step the rows change places, "
        "and the cache must be reordered with them",
        diagnosis="beam-not-reordered",
    )
    t.that(
        not model.decoded,
        'decoder="beam" with cached=True calls `model.decode`: `decode_step` is asked for',
        diagnosis="cache-not-used",
    )


def name_beam(t: Trial, model: Any, pairs: list[DatePair], plain: list[str], right: list[str]) -> None:
    def beams(**how: Any) -> list[str]:
        return [model.target_vocabulary.decode(searched(model, p.text, **how)) for p in pairs]

    greedy = [model.target_vocabulary.decode(written(model, p.text)) for p in pairs]
    name_it(
        t,
        plain,
        right,
        [
            (
                "beam-of-logits",
                beams(logits=True),
                "the beam adds up logits: `step` gives log-probabilities, so `log_softmax` comes first",
            ),
            ("beam-is-greedy", greedy, 'decoder="beam" writes what greedy decoding writes'),
            *(
                (
                    "beam-with-other-defaults",
                    beams(beam=width),
                    f"the beam is {width} wide: take the defaults of beam_search, 4",
                )
                for width in (2, 3, 5, 8)
            ),
            *(
                (
                    "beam-with-other-defaults",
                    beams(alpha=alpha),
                    f"alpha is {alpha:g}: take the defaults of beam_search, 0.6",
                )
                for alpha in (0.0, 1.0)
            ),
        ],
    )
    first = next(i for i, (x, y) in enumerate(zip(plain, right, strict=True)) if x != y)
    t.fail(
        f'for {pairs[first].text!r} decoder="beam", cached=False writes {plain[first]!r}, a beam of 4 with '
        f"max_len=12 finds {right[first]!r}",
        diagnosis="beam-outputs-wrong",
    )
