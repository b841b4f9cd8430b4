"""The comparison of text models, cut down: all models and numbers are there, and the table shows them."""

import pytest

from benchmarks.text_models import MODELS, PARTS, Row, neural, ngrams, table
from shared.models import parameter_count

EVERY = 60


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [ngrams(every=EVERY), *(neural(name, (0, 1), epochs=1, every=EVERY) for name in MODELS)]


def test_every_model_has_a_number_for_each_seed_and_part(rows: list[Row]) -> None:
    for row in rows:
        runs = 1 if row.model.startswith("n-grams") else 2
        assert len(row.cpu_seconds) == runs
        for numbers in (row.accuracy, row.loss):
            assert tuple(numbers) == PARTS
            assert all(len(values) == runs for values in numbers.values())
        assert all(0 <= value <= 1 for values in row.accuracy.values() for value in values)
        assert all(value > 0 for values in row.loss.values() for value in values)


def test_seeds_differ(rows: list[Row]) -> None:
    assert all(len(set(row.loss["valid"])) == 2 for row in rows[1:])


def test_the_networks_are_of_similar_size() -> None:
    sizes = [
        parameter_count(name, {"vocabulary": 160, "classes": 12, **options})
        for name, options in MODELS.items()
    ]
    assert max(sizes) < 1.2 * min(sizes)


def test_the_table_shows_means_and_intervals() -> None:
    three = {part: [0.6, 0.7, 0.8] for part in PARTS}
    text = table([Row("x", 1234, [10.0, 12.0, 14.0], three, three)])
    assert text.splitlines()[-1].startswith("| x | 1,234 | 12.0 ± 5.0 | 0.700 ± 0.248 |")  # t(2) = 4.303
    assert [len(line.split("|")) for line in text.splitlines()] == [11, 11, 11]
