"""Names, dates and their characters."""

import datetime
import subprocess
import sys
from collections import Counter, defaultdict

import babel
import pytest
import torch
from babel import Locale

from shared.data import Vocabulary
from shared.data.dates import LANGUAGES as DATE_LANGUAGES
from shared.data.dates import STYLES, date_pairs, unseen
from shared.data.names import LANGUAGES, Names, names


@pytest.fixture(scope="module")
def data() -> Names:
    return names()


def test_there_are_ten_thousand_names_of_twelve_languages(data: Names) -> None:
    everything = data.train + data.test
    assert len(LANGUAGES) == 12
    assert 9_000 < len(everything) < 12_000
    assert 0.19 < len(data.test) / len(everything) < 0.21
    assert 13 < sum(len(name.text) for name in everything) / len(everything) < 15
    for part in (data.train, data.test):
        share = Counter(name.label for name in part)
        assert sorted(share) == list(range(12))
        assert max(share.values()) / len(part) < 0.115


def test_no_concept_is_on_both_sides(data: Names) -> None:
    assert not {name.concept for name in data.train} & {name.concept for name in data.test}


def test_every_name_has_one_right_answer_and_comes_once(data: Names) -> None:
    texts = [name.text for name in data.train + data.test]
    assert len(texts) == len(set(texts))


def test_names_that_languages_share_are_left_out(data: Names) -> None:
    owners = defaultdict(set)
    for language in LANGUAGES:
        for text in Locale.parse(language).territories.values():
            owners[text].add(language)
    shared = {text for text, languages in owners.items() if len(languages) > 1}
    assert len(shared) > 100
    assert not shared & {name.text for name in data.train + data.test}


def test_labels_name_the_language(data: Names) -> None:
    found = {(LANGUAGES[name.label], name.text) for name in data.train + data.test}
    assert ("en", "Germany") in found
    assert ("de", "Deutschland") in found
    assert ("fi", "Saksa") in found
    assert ("hu", "Németország") in found


def test_the_split_does_not_depend_on_the_hash_seed() -> None:
    program = (
        "from shared.data.names import names; import hashlib; d = names();"
        "print(hashlib.sha256(repr((d.train, d.test)).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


@pytest.mark.skipif(not babel.__version__.startswith("2.18."), reason="other versions bring other names")
def test_the_sizes_are_those_that_results_were_published_for(data: Names) -> None:
    assert (len(data.train), len(data.test)) == (8400, 2007)


def test_dates_are_what_the_calendar_says() -> None:
    pairs = date_pairs(2000)
    for pair in pairs:
        day = datetime.date.fromisoformat(pair.iso)
        assert datetime.date(1970, 1, 1) <= day <= datetime.date(2029, 12, 31)
        assert pair.text == babel.dates.format_date(day, pair.style, locale=pair.language)
        assert str(day.day) in pair.text
        assert str(day.year) in pair.text
    assert {pair.language for pair in pairs} == set(DATE_LANGUAGES)
    assert {pair.style for pair in pairs} == set(STYLES)


def test_dates_are_as_in_the_documentation() -> None:
    day = datetime.date(2006, 4, 30)
    texts = {
        style: date_pairs(1, languages=["en"], styles=[style], first=day, last=day)[0].text
        for style in STYLES
    }
    assert texts == {"medium": "Apr 30, 2006", "long": "April 30, 2006", "full": "Sunday, April 30, 2006"}
    spanish = date_pairs(1, languages=["es"], styles=["full"], first=day, last=day)[0]
    assert (spanish.text, spanish.iso) == ("domingo, 30 de abril de 2006", "2006-04-30")


def test_dates_repeat_by_seed_and_leave_the_global_generator_alone() -> None:
    import random

    random.seed(3)
    expected = random.random()
    random.seed(3)
    assert date_pairs(50, seed=1) == date_pairs(50, seed=1) != date_pairs(50, seed=2)
    assert random.random() == expected


def test_dates_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValueError, match="2001-01-02 is after 2001-01-01"):
        date_pairs(1, first=datetime.date(2001, 1, 2), last=datetime.date(2001, 1, 1))


def test_unseen_dates_do_not_occur_in_training() -> None:
    training, others = date_pairs(20_000), date_pairs(3_000, seed=1)
    test = unseen(others, training)
    known = {pair.text for pair in training}
    assert 0 < len(test) < len(others)
    assert all(pair.text not in known for pair in test)
    assert len({pair.text for pair in test}) == len(test)
    assert {pair.text for pair in others} - known == {pair.text for pair in test}


def test_what_is_encoded_is_decoded() -> None:
    vocabulary = Vocabulary.of(["Němec", "Österreich"])
    assert vocabulary.decode(vocabulary.encode("Österreich")) == "Österreich"
    assert vocabulary.decode(vocabulary.encode("Němec", ends=True)) == "Němec"
    assert vocabulary.encode("", ends=True).tolist() == [2, 3]
    assert vocabulary.encode("").tolist() == []


def test_numbers_start_after_the_special_ones_in_the_order_of_unicode() -> None:
    vocabulary = Vocabulary.of(["ba", "c"])
    assert vocabulary.characters == ("a", "b", "c")
    assert vocabulary.encode("abcx").tolist() == [4, 5, 6, 1]
    assert len(vocabulary) == 7


def test_decoding_ends_at_the_end_and_shows_what_is_unknown() -> None:
    vocabulary = Vocabulary.of(["ab"])
    assert vocabulary.decode([2, 4, 1, 0, 5, 3, 4, 4]) == "a�b"
    assert vocabulary.decode(torch.tensor([4, 5])) == "ab"


def test_only_training_texts_make_the_vocabulary(data: Names) -> None:
    vocabulary = Vocabulary.of(name.text for name in data.train)
    assert 80 < len(vocabulary) < 250
    assert vocabulary.decode(vocabulary.encode(data.train[0].text)) == data.train[0].text
