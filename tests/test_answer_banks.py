"""How the banks of strangers' answers are written."""

from __future__ import annotations

from tests.labs.answers import Answers


def test_a_function_makes_the_objects_of_an_answer():
    wrong = Answers()

    @wrong("E1", named=False)
    def says_no():
        return {"degrees": lambda adjacency: None}

    (answer,) = wrong.all
    assert (answer.exercise, answer.name, answer.slow, answer.named) == ("E1", "says_no", False, False)
    assert answer.build()["degrees"]("anything") is None


def test_a_function_or_a_class_stands_for_an_object():
    right = Answers()

    @right.stands_for("E2", "double", slow=True)
    def by_adding(x):
        return x + x

    @right.stands_for("E2", "Counter")
    class Sound:
        pass

    first, second = right.all
    assert (first.name, first.slow, first.build()) == ("by_adding", True, {"double": by_adding})
    assert (second.name, second.slow, second.build()) == ("Sound", False, {"Counter": Sound})


def test_answers_are_added_by_name_in_a_row():
    wrong = Answers()
    for power in (2, 3):
        wrong.add("W1", f"power_{power}", lambda power=power: {"double": lambda x: x**power})
    assert [answer.name for answer in wrong.all] == ["power_2", "power_3"]
    assert [answer.build()["double"](2) for answer in wrong.all] == [4, 8]
