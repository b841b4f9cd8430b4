"""E5: dates of six languages. What must hold; the known mistakes stand beside."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from courseware.check import Exercise, Trial, forbid
from courseware.check.naming import family
from phase2_intermediate.lab3_full_transformer.checks_by_exercise import (
    e5_mistakes,
    e5_share_mistakes,
    e5_training_mistakes,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e5_picture import alignment, of_the_check
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e5_scene import (
    asked,
    scene,
    searched,
    tensor_of,
)
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.e5_training_mistakes import trained
from phase2_intermediate.lab3_full_transformer.checks_by_exercise.tools import LIBRARYS, TORCHS
from shared.data.dates import DatePair, date_pairs
from shared.data.vocabulary import START

EXACT = 0.95
STEADY = 0.9
CHANCE = 0.05

e5 = Exercise(
    "E5",
    takes={"unseen_pairs": list, "train_seq2seq": None, "evaluate": dict},
    forbids=forbid(
        python=(*TORCHS, *LIBRARYS, "shared.data.dates.unseen"),
        why="you have your own: write it with E1 to E4",
    ),
    hints=(
        "First overfit ten pairs: if that fails, shift, masks or loss are wrong. Then the details of the "
        "statement, the stem above all.",
        "loss = seq_loss(decode(encode(src, real), real, read), say) / count; clip; AdamW; OneCycleLR. "
        "Evaluation: start with START, append the argmax, until every row has ended or 12 tokens are "
        "written.",
        "`src, read, real, say = pad_pairs(examples)` pads `say` with −100. Beam with a cache: for each "
        "prefix find the row of the last call that equals `prefix[:-1]`, `cache.reorder` with those, then "
        "`decode_step` on the last tokens.",
    ),
)
e5_mistakes.probe.add_to(e5)
e5_share_mistakes.probe.add_to(e5)
e5_training_mistakes.probe.add_to(e5)


@e5.property("pairs are kept apart", points=3)
def kept_apart(a: Any, t: Trial) -> None:
    for count, known in ((0, 5), (5, 0), (300, 300)):
        pairs = date_pairs(count, seed=t.random.getrandbits(20), languages=("es", "it"))
        training = date_pairs(known, seed=t.random.getrandbits(20), languages=("it", "pt"))
        right: list[DatePair] = []
        for pair in pairs:
            if all(pair.text != other.text for other in (*training, *right)):
                right.append(pair)
        with family("unseen-at-the-edge", f"{count} pairs, {known} of training"):
            t.equal(a.unseen_pairs(pairs, training), right)


@e5.property("evaluation is free-running, with and without cache and beam", points=6)
def evaluation(a: Any, t: Trial) -> None:
    for how in ({"layers": 2}, {"d": 12, "heads": 3}):
        model, pairs, right = scene(t, 12, **how)
        best = [model.target_vocabulary.decode(searched(model, p.text)) for p in pairs[:4]]
        with family("evaluation-of-another-model", f"a model with {how}"):
            for cached in (True, False):
                t.equal(asked(a, t, model, pairs, "greedy", cached)["outputs"], right)
                t.equal(asked(a, t, model, pairs[:4], decoder="beam", cached=cached)["outputs"], best)


def written(model: Any, pairs: list[DatePair]) -> list[str]:
    """Free-running greedy decoding in one batch."""
    src, real = tensor_of(model, pairs)
    tokens = torch.full((len(pairs), 1), START)
    with torch.no_grad():
        memory = model.encode(src, real)
        for _ in range(11):
            tokens = torch.cat(
                (tokens, model.decode(memory, real, tokens)[:, -1].argmax(-1, keepdim=True)), 1
            )
    return [model.target_vocabulary.decode(row) for row in tokens[:, 1:]]


def share(outputs: list[str], pairs: list[DatePair]) -> float:
    return sum(out == pair.iso for out, pair in zip(outputs, pairs, strict=True)) / len(pairs)


def unseen(pairs: list[DatePair], training: list[DatePair]) -> list[DatePair]:
    known = {pair.text for pair in training}
    return list({pair.text: pair for pair in pairs if pair.text not in known}.values())


def all_steps_of(a: Any, t: Trial, training: list[DatePair], steps: int) -> Any:
    """The model after so many steps, which are counted where torch's optimizers take them."""
    taken = 0

    def count(*_: Any) -> None:
        nonlocal taken
        taken += 1

    hook = register_optimizer_step_post_hook(count)
    try:
        model = trained(a, t, training, steps=steps, seed=t.seed % 1000)
    finally:
        hook.remove()
    t.that(
        taken == 0 or taken >= steps,  # an optimizer written by hand is not counted
        f"steps={steps} took {taken} steps: `steps` is how many batches the model sees",
        diagnosis="steps-not-taken",
    )
    return model


@e5.property("0.95 of unseen dates exactly right", points=12)
def reaches_the_metric(a: Any, t: Trial) -> None:
    a.unseen_pairs([], [])  # what is not written yet shows here, before anything is trained
    model, pairs, _ = scene(t, 2)
    a.evaluate(model, pairs)
    training = date_pairs(20_000, seed=t.seed % 1000)
    test = unseen(date_pairs(2_000, seed=t.seed % 1000 + 1000), training)[:400]
    model = all_steps_of(a, t, training, 301)  # one more than by default: all are to be taken
    outputs = written(model.eval(), test)
    t.reaches(
        share(outputs, test),
        EXACT,
        "is the share of 400 unseen dates that are exactly right",
        more="is the stem on, does the decoder get the mask of the source, is the peak rate 4e-3?",
        diagnosis="too-few-right",
    )
    of_the_check[:] = [(training, model)]
    with family("evaluation-of-the-trained-model", "evaluate with your trained model"):
        found = asked(a, t, model, test[:60])["exact"]
        t.equal(found, share(outputs[:60], test[:60]), atol=0.02)  # one text may hang on the last bit
    swapped = [pair for pair in test if pair.style == "full"]
    weekday = {pair.language: pair.text.split(" ")[0] for pair in swapped}  # one of each language
    other = [p._replace(text=weekday[p.language] + p.text[p.text.index(" ") :]) for p in swapped]
    steady = sum(x == y for x, y in zip(written(model, swapped), written(model, other), strict=True)) / len(
        swapped
    )
    t.that(
        steady >= STEADY,
        f"when the weekday is exchanged, only {steady:.2f} of the answers stay the same: the model reads "
        "the weekday",
        diagnosis="weekday-matters",
    )


@e5.property("iso strings in random order teach nothing", points=4)
def permuted(a: Any, t: Trial) -> None:
    training = date_pairs(2_000, seed=t.seed % 1000)
    order = torch.randperm(len(training), generator=t.generator).tolist()
    shuffled = [pair._replace(iso=training[i].iso) for pair, i in zip(training, order, strict=True)]
    model = trained(a, t, shuffled, steps=40)
    test = unseen(date_pairs(200, seed=t.seed % 1000 + 1000), training)
    found = share(written(model.eval(), test), test)
    t.that(
        found <= CHANCE,
        f"trained on shuffled answers, {found:.2f} of unseen dates are right: the true ones come by another "
        "way",
        diagnosis="answers-leak",
    )


e5.reward(alignment)
