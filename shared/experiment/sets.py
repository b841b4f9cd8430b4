"""The data sets that a run can name: what each asks, which models can answer, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from shared.config import did_you_mean
from shared.data.collate import pad, pad_labelled, pad_pairs
from shared.data.examples import Split, hold_out, standardise
from shared.data.vocabulary import PAD, Vocabulary
from shared.experiment.data import ExperimentData
from shared.experiment.errors import ExperimentError
from shared.models import CATALOGUE, ModelInfo, model_info
from shared.models.catalogue import Inputs

if TYPE_CHECKING:
    from shared.data.names import Name

HELD_OUT = 0.1
"""Share of the training examples that are set aside as "valid"."""
IGNORED = -100


@dataclass(frozen=True)
class DataInfo:
    """What a data set asks. ``inputs`` and ``outputs`` are those of the models that fit it."""

    summary: str
    inputs: tuple[Inputs, ...]
    outputs: str
    load: Callable[[Inputs], ExperimentData]

    def fits(self, model: ModelInfo) -> bool:
        return model.inputs in self.inputs and model.outputs == self.outputs


def fitting_model(model: str, data: str) -> str:
    """The catalogue's name: "transformer" stands for the one of the transformers that fits the data."""
    if model in CATALOGUE or data not in DATA:
        return model
    kind = [name for name in CATALOGUE if name.startswith(f"{model}_") and DATA[data].fits(CATALOGUE[name])]
    return kind[0] if len(kind) == 1 else model


def open_data(name: str, model: str) -> ExperimentData:
    """The data set in the form that the model reads; ExperimentError if it does not exist or does not fit."""
    info = model_info(model)
    if name not in DATA:
        raise ExperimentError(f'no data set is called "{name}": {did_you_mean(name, list(DATA))}')
    if not DATA[name].fits(info):
        fitting = ", ".join(other for other, each in CATALOGUE.items() if DATA[name].fits(each))
        raise ExperimentError(
            f"{model} gives {info.outputs} for {info.inputs}, which is not what {name} asks: "
            f"take one of {fitting}"
        )
    return DATA[name].load(info.inputs)


def _digits(inputs: Inputs) -> ExperimentData:
    from shared.data.sets import digits

    return _labelled("digits", digits(flat=inputs == "features"))


def _table(name: str, inputs: Inputs) -> ExperimentData:
    from shared.data import sets

    return _labelled(name, standardise(getattr(sets, name)()))


def _labelled(name: str, split: Split) -> ExperimentData:
    train, valid = hold_out(split.train, round(HELD_OUT * len(split.train)))
    shape = split.train.inputs.shape[1:]
    settings = {"classes": len(split.classes), ("inputs" if len(shape) == 1 else "channels"): shape[0]}
    return ExperimentData(name, {"train": train, "valid": valid, "test": split.test}, settings)


def _names(inputs: Inputs) -> ExperimentData:
    from shared.data.names import LANGUAGES

    parts = name_parts()
    vocabulary = Vocabulary.of(name.text for name in parts["train"])
    encoded = {
        part: [(vocabulary.encode(name.text), torch.tensor(name.label)) for name in found]
        for part, found in parts.items()
    }
    settings = {"vocabulary": len(vocabulary), "classes": len(LANGUAGES), "padding": PAD}
    return ExperimentData("names", {**encoded}, settings, collate=pad_labelled)


def _spelling(inputs: Inputs) -> ExperimentData:
    parts = name_parts()
    vocabulary = Vocabulary.of(name.text for name in parts["train"])
    encoded = {
        part: [(vocabulary.encode(name.text, ends=True),) for name in found] for part, found in parts.items()
    }
    settings = {"vocabulary": len(vocabulary)}
    return ExperimentData("spelling", {**encoded}, settings, collate=_next_tokens, ignore=IGNORED)


def name_parts() -> dict[str, list[Name]]:
    """Held out by concept, as the test names are: no concept is in two parts."""
    from shared.data.names import names

    found = names()
    concepts = sorted({name.concept for name in found.train})
    order = torch.randperm(len(concepts), generator=torch.Generator().manual_seed(0)).tolist()
    held = {concepts[place] for place in order[: round(HELD_OUT * len(concepts))]}
    return {
        "train": [name for name in found.train if name.concept not in held],
        "valid": [name for name in found.train if name.concept in held],
        "test": found.test,
    }


def _dates(inputs: Inputs) -> ExperimentData:
    from shared.data.dates import date_pairs, unseen

    train = date_pairs(20_000, seed=0)
    valid = unseen(date_pairs(2_000, seed=1), train)
    test = unseen(date_pairs(2_000, seed=2), [*train, *valid])
    source, target = (Vocabulary.of(pair[place] for pair in train) for place in (0, 1))
    encoded = {
        part: [(source.encode(pair.text), target.encode(pair.iso, ends=True)) for pair in pairs]
        for part, pairs in (("train", train), ("valid", valid), ("test", test))
    }
    settings = {"vocabulary": len(source), "target_vocabulary": len(target), "padding": PAD}
    collate = partial(pad_pairs, ignore=IGNORED)
    return ExperimentData("dates", {**encoded}, settings, collate=collate, ignore=IGNORED)


def _next_tokens(examples: Sequence[tuple[Tensor]]) -> tuple[Tensor, Tensor]:
    """What a decoder reads and what it should say next, both [B, T]."""
    read, _ = pad([text[:-1] for (text,) in examples])
    say, _ = pad([text[1:] for (text,) in examples], value=IGNORED)
    return read, say


DATA: Final[dict[str, DataInfo]] = {
    "digits": DataInfo("which digit is on 8×8 pixels", ("features", "image"), "[B, classes]", _digits),
    **{
        name: DataInfo(f"{what} by its measurements", ("features",), "[B, classes]", partial(_table, name))
        for name, what in (("iris", "a flower"), ("wine", "a wine"), ("breast_cancer", "a tumour"))
    },
    "names": DataInfo("which of 12 languages is this name", ("tokens",), "[B, classes]", _names),
    "spelling": DataInfo("the next letter of a name", ("tokens",), "[B, T, V]", _spelling),
    "dates": DataInfo("a date of six languages as ISO 8601", ("token pair",), "[B, T_q, V]", _dates),
}
