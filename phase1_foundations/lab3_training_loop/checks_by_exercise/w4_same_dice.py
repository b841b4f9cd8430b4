"""W4: the same dice again."""

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise import warmup_pictures as pictures

w4 = Exercise(
    "W4",
    takes={"peek": Tensor},
    hints=(
        "Drawing moves the state on. What must you keep before you draw, and what must you do after it?",
        "state, numbers, state back: three lines and a `return`.",
        "`state = generator.get_state()`; `numbers = torch.rand(count, generator=generator)`; "
        "`generator.set_state(state)`",
    ),
)


def used_generator(t, draws: int = 3) -> torch.Generator:
    generator = torch.Generator().manual_seed(int(t.randint(0, 10_000, 1)))
    torch.rand(draws, generator=generator)
    return generator


@w4.probe("generator-moved-on")
def moved_on(a, t):
    generator, twin = used_generator(t), torch.Generator()
    twin.set_state(generator.get_state())
    peeked = a.peek(generator, 3)
    now = torch.rand(3, generator=generator)
    there = torch.rand(6, generator=twin)
    if same(peeked, there[:3]) and same(now, there[3:]):
        return (
            "the numbers are right, but your draw moved the generator on: what comes next is "
            f"{numbers(now)}, not what you foretold. Put its state back"
        )


@w4.probe("back-to-the-beginning")
def back_to_beginning(a, t):
    generator = used_generator(t)
    fresh = torch.Generator().manual_seed(generator.initial_seed())
    if same(a.peek(generator, 3), torch.rand(3, generator=fresh)):
        return (
            "these are the *first* numbers of this seed, and the generator had been used already: a seed "
            "says where a run starts, its state where it is. Use get_state, not the seed"
        )


@w4.probe("seeded-anew")
def seeded_anew(a, t):
    generator = used_generator(t)
    before = generator.initial_seed(), generator.get_state()
    a.peek(generator, 3)
    if generator.initial_seed() != before[0]:
        return "your function seeds the caller's generator anew: save its state and put it back"
    if not torch.equal(generator.get_state(), before[1]):
        return (
            "the caller's generator is in another state afterwards: save its state before you draw, and "
            "put exactly this back"
        )


@w4.probe("other-generator")
def other_generator(a, t):
    generator = used_generator(t)
    torch.manual_seed(5)
    found = a.peek(generator, 3)
    torch.manual_seed(5)
    if same(found, torch.rand(3)):
        return (
            "you draw from torch's global generator: pass `generator=generator` to `torch.rand`, or the "
            "numbers have nothing to do with it"
        )


@w4.probe("global-generator-touched")
def global_touched(a, t):
    before = torch.get_rng_state()
    a.peek(used_generator(t), 2)
    if not torch.equal(before, torch.get_rng_state()):
        return "torch's global generator is in another state afterwards: only `generator` is needed here"


@w4.probe("other-distribution")
def other_distribution(a, t):
    generator = used_generator(t)
    state = generator.get_state()
    found = a.peek(generator, 4)
    for draw in (torch.randn, torch.rand):
        generator.set_state(state)
        if draw is torch.randn and same(found, draw(4, generator=generator)):
            return "these are normal numbers (`randn`), asked for are uniform ones between 0 and 1 (`rand`)"


@w4.probe("other-form")
def other_form(a, t):
    found = a.peek(used_generator(t), 3)
    if found.shape != (3,) or found.dtype != torch.float32:
        return (
            f"your result has shape {tuple(found.shape)} and dtype {found.dtype}; `torch.rand(3)` has shape "
            "(3,) and float32"
        )


@w4.probe("one-too-far")
def one_too_far(a, t):
    generator = used_generator(t)
    found, then = a.peek(generator, 3), torch.rand(6, generator=generator)
    for skipped in (1, 3):
        if same(found, then[skipped : skipped + 3]) and not same(found, then[:3]):
            return f"your numbers come after the next {skipped}: those are the ones that are asked for first"


@w4.probe("other-numbers")
def other_numbers(a, t):
    generator = used_generator(t)
    found = a.peek(generator, 3)
    then = torch.rand(3, generator=generator)
    if not same(found, then):
        return f"you foretold {numbers(found)}, and then came {numbers(then)}"


@w4.property("foretells what comes, and leaves no trace")
def foretells(a, t):
    for count in (0, 1, 5, 17, 40):
        generator, twin = used_generator(t, count), torch.Generator()
        twin.set_state(generator.get_state())
        rng = torch.get_rng_state()
        found = a.peek(generator, count)
        t.that(torch.equal(generator.get_state(), twin.get_state()), "the generator is in another state")
        t.that(torch.equal(torch.get_rng_state(), rng), "torch's global generator is in another state")
        t.equal(found, torch.rand(count, generator=twin), f"count = {count}")
        t.equal(a.peek(generator, count), found, "peeking twice")


w4.reward(pictures.the_same_shuffle)
