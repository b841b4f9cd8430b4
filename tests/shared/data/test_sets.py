"""The data sets are what their descriptions say, and their splits never change."""

import hashlib

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from shared.data import (
    Examples,
    Split,
    breast_cancer,
    diabetes,
    digits,
    hold_out,
    iris,
    photographs,
    split,
    standardise,
    wine,
)


@pytest.mark.parametrize(
    ("load", "train", "test", "shape", "classes"),
    [
        (digits, 1437, 360, (1, 8, 8), 10),
        (lambda: digits(flat=True), 1437, 360, (64,), 10),
        (iris, 120, 30, (4,), 3),
        (wine, 142, 36, (13,), 3),
        (breast_cancer, 455, 114, (30,), 2),
    ],
    ids=["digits", "flat digits", "iris", "wine", "breast cancer"],
)
def test_each_set_has_the_size_that_it_says(
    load, train: int, test: int, shape: tuple[int, ...], classes: int
) -> None:  # type: ignore[no-untyped-def]
    data: Split = load()
    assert (len(data.train), len(data.test)) == (train, test)
    assert data.train.inputs.shape == (train, *shape)
    assert data.train.inputs.dtype == torch.float32
    assert data.train.targets.unique().tolist() == data.test.targets.unique().tolist() == list(range(classes))
    assert len(data.classes) == classes
    if len(shape) == 1 and shape != (64,):
        assert len(data.features) == shape[0]


def test_diabetes_has_a_column_of_targets() -> None:
    data = diabetes()
    assert data.train.inputs.shape == (353, 10)
    assert data.test.targets.shape == (89, 1)
    assert (data.train.targets.min().item(), data.train.targets.max().item()) == (25.0, 346.0)


def test_the_split_is_the_documented_permutation_and_loses_nothing() -> None:
    found = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    data = digits()
    assert torch.equal(data.train.targets, torch.from_numpy(found.target)[order[360:]])
    assert torch.equal(data.test.targets, torch.from_numpy(found.target)[order[:360]])
    np.testing.assert_array_equal(data.test.inputs[0, 0].numpy() * 16, found.images[order[0]])


def test_the_split_is_the_one_that_results_were_published_for() -> None:
    digest = hashlib.sha256(digits().test.targets.numpy().tobytes()).hexdigest()
    assert digest.startswith("6b9fbcf51df8abdf")


def test_the_baselines_on_digits_are_as_stated() -> None:
    data = digits(flat=True)
    train = data.train.inputs.numpy(), data.train.targets.numpy()
    test = data.test.inputs.numpy(), data.test.targets.numpy()
    assert round(LogisticRegression(max_iter=5000).fit(*train).score(*test), 3) == 0.969
    assert round(SVC(C=10).fit(*train).score(*test), 3) == 0.994
    assert round(SVC().fit(*train).score(*test), 3) == 0.983


def test_photographs_are_two_in_colour() -> None:
    found = photographs()
    assert list(found) == ["china", "flower"]
    for image in found.values():
        assert image.shape == (3, 427, 640)
        assert 0 <= image.min() < 0.1 < 0.9 < image.max() <= 1
    sky = found["china"][:, 5, 300]
    assert sky.argmax() == 2  # blue comes last


def test_examples_are_indexed_one_by_one_and_in_batches() -> None:
    examples = Examples(torch.arange(10.0).view(5, 2), torch.arange(5))
    assert examples[3][1].item() == 3
    assert examples[-1][0].tolist() == [8.0, 9.0]
    assert examples[torch.tensor([4, 0])][1].tolist() == [4, 0]
    assert examples[1:3][1].tolist() == [1, 2]
    assert [int(target) for _, target in examples] == [0, 1, 2, 3, 4]  # and a for-loop ends
    with pytest.raises(IndexError, match="example 5 was asked for, but there are 5"):
        examples[5]


def test_unequal_numbers_of_inputs_and_targets_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 3 inputs but 2 targets"):
        Examples(torch.zeros(3), torch.zeros(2))


def test_what_is_held_out_is_not_learned_from() -> None:
    examples = Examples(torch.arange(50.0), torch.arange(50))
    rest, held = hold_out(examples, 12)
    assert (len(rest), len(held)) == (38, 12)
    assert sorted([*rest.targets.tolist(), *held.targets.tolist()]) == list(range(50))
    assert torch.equal(hold_out(examples, 12)[1].targets, held.targets)
    assert not torch.equal(hold_out(examples, 12, seed=1)[1].targets, held.targets)
    for count in (0, 50):
        with pytest.raises(ValueError, match="from 1 to 49 examples can be held out"):
            hold_out(examples, count)


def test_standardising_uses_the_training_examples_alone() -> None:
    raw, data = wine(), standardise(wine())
    torch.testing.assert_close(data.train.inputs.mean(0), torch.zeros(13), atol=1e-5, rtol=0)
    torch.testing.assert_close(data.train.inputs.std(0, correction=0), torch.ones(13))
    column = raw.train.inputs[:, 12]
    expected = (raw.test.inputs[0, 12] - column.mean()) / column.std(correction=0)
    torch.testing.assert_close(data.test.inputs[0, 12], expected)
    assert raw.features == data.features == tuple(load_wine().feature_names)


def test_a_constant_feature_becomes_zero() -> None:
    data = standardise(split(Examples(torch.full((10, 1), 3.0), torch.zeros(10))))
    assert not data.train.inputs.any()
    assert not data.test.inputs.any()
