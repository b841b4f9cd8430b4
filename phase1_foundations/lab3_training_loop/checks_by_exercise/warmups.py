"""W1 to W4: one step, a running average, the mean of means, the same dice again."""

import math

import torch
from torch import Tensor

from courseware.check import Exercise
from courseware.check.compare import same
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise import warmup_pictures as pictures
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

# ---- W1 ----------------------------------------------------------------------------------------------

w1 = Exercise(
    "W1",
    takes={"descend_": None},
    hints=(
        "Which object must be different afterwards: the name `param` inside your function, or the tensor "
        "that the caller holds? And who must not be watching?",
        "`param ← param − lr · param.grad`, written into the tensor itself, and only if `param.grad` is not "
        "`None`.",
        "`with torch.no_grad(): param -= lr * param.grad`",
    ),
)


def parameter(values: list[float], gradient: list[float] | None) -> Tensor:
    p = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    p.grad = None if gradient is None else torch.tensor(gradient, dtype=torch.float64)
    return p


def moved(a, lr: float = 0.1, gradient: float = 4.0) -> float:
    """Where 3 is after a step."""
    p = parameter([3.0], [gradient])
    a.descend_(p, lr)
    return p.item()


@w1.probe("update-is-recorded")
def recorded(a, t):
    attempt = t.tried(lambda: moved(a))
    if attempt.raised(RuntimeError) and "leaf" in str(attempt.error):
        return (
            "torch refuses: a leaf that requires a gradient is overwritten while autograd records. The move "
            "is no part of the model: put it under `with torch.no_grad():`"
        )


@w1.probe("nothing-moves")
def nothing_moves(a, t):
    if moved(a) == 3.0:
        return (
            "the caller's tensor has not moved: `param = param - …` gives the *name* `param` a new tensor. "
            "Write into the tensor itself: `param -= …` or `param.add_(…)`, under `torch.no_grad()`"
        )


@w1.probe("goes-uphill")
def uphill(a, t):
    if close(moved(a), 3.4):
        return "the parameter goes *with* the gradient, to where the loss grows: 3 became 3.4. Subtract"


@w1.probe("lr-forgotten")
def lr_forgotten(a, t):
    if close(moved(a, lr=0.1), -1.0) or close(moved(a, lr=0.1), moved(a, lr=0.2)):
        return "the step is the same with lr = 0.1 and lr = 0.2: multiply the gradient by `lr`"


@w1.probe("ignores-the-gradient")
def ignores_gradient(a, t):
    if close(moved(a, gradient=4.0), moved(a, gradient=8.0)):
        return (
            "the step is the same with a gradient of 4 and of 8: its length counts, not only its sign or "
            "direction"
        )


@w1.probe("fails-without-a-gradient")
def fails_on_none(a, t):
    p = parameter([3.0], None)
    attempt = t.tried(lambda: a.descend_(p, 0.1))
    if attempt.raised(Exception):
        return (
            f"with `param.grad = None` your function raises {type(attempt.error).__name__}: a parameter "
            "that the loss does not depend on has no gradient, and stays where it is"
        )
    if p.item() != 3.0 or p.grad is not None:
        return "with `param.grad = None` the parameter must stay as it is, without a gradient"


@w1.probe("gradient-changed")
def gradient_changed(a, t):
    p = parameter([3.0, 1.0], [4.0, -2.0])
    a.descend_(p, 0.1)
    if p.grad is None or not same(p.grad, torch.tensor([4.0, -2.0])):
        after = "None" if p.grad is None else numbers(p.grad)
        return (
            f"`param.grad` was [4, −2] and is {after} afterwards: read it, do not write into it. (Clearing "
            "gradients is somebody else's job)"
        )


@w1.probe("no-longer-a-parameter")
def no_longer_a_parameter(a, t):
    p = parameter([3.0], [4.0])
    a.descend_(p, 0.1)
    if not p.requires_grad or not p.is_leaf:
        return (
            "afterwards `param` no longer is a leaf that requires a gradient, so the next backward would "
            "not reach it: leave `requires_grad` alone, and move it under `torch.no_grad()`"
        )


@w1.probe("leaves-no-grad-on")
def leaves_no_grad(a, t):
    moved(a)
    if not torch.is_grad_enabled():
        torch.set_grad_enabled(True)
        return (
            "after your function autograd is switched off for everybody: use `with torch.no_grad():`, "
            "which switches it on again at its end"
        )


@w1.probe("needs-contiguous-memory")
def contiguous(a, t):
    p = t.randn(3, 2).T.requires_grad_()
    p.grad, before = torch.ones(2, 3, dtype=torch.float64), p.detach().clone()
    attempt = t.tried(lambda: a.descend_(p, 0.1))
    if attempt.raised(RuntimeError) and "view" in str(attempt.error):
        return "a transposed parameter: `view` needs contiguous memory. `param -= …` works for every layout"
    if attempt.error is None and same(p, before):
        return (
            "a transposed parameter does not move: `flatten` and `reshape` copy where memory is not "
            "contiguous, and you write into the copy. Write into param itself"
        )


@w1.probe("float64-becomes-float32")
def narrow(a, t):
    p = parameter([1.0], [1.0])
    a.descend_(p, 1e-12)
    if p.item() == 1.0:
        return "a step of 1e-12 from 1 is lost in float64: compute in the parameter's own dtype"


@w1.probe("other-step")
def other_step(a, t):
    p = parameter([1.0, 2.0, -3.0], [10.0, -10.0, 0.5])
    a.descend_(p, 0.1)
    if not same(p, torch.tensor([0.0, 3.0, -3.05])):
        return (
            "[1, 2, −3] with the gradient [10, −10, 0.5] and lr = 0.1 should become [0, 3, −3.05], yours "
            f"became {numbers(p)}"
        )


@w1.property("param ← param − lr · grad")
def descends(a, t):
    for shape in ((), (1,), (3,), (2, 3), (0,)):
        p = t.randn(*shape).requires_grad_()
        p.grad = t.randn(*shape)
        before, lr = p.detach().clone(), float(t.rand(1))
        a.descend_(p, lr)
        t.equal(p.detach(), before - lr * p.grad, f"a parameter of shape {shape}")
        t.that(p.requires_grad and p.is_leaf, "param no longer is a leaf that requires a gradient")
    strided = t.randn(4, 6).T.requires_grad_()
    strided.grad = t.randn(6, 4)
    before = strided.detach().clone()
    a.descend_(strided, 0.5)
    t.equal(strided.detach(), before - 0.5 * strided.grad, "a transposed parameter")
    plain = t.randn(3)
    plain.grad = t.randn(3)
    a.descend_(plain, 0.5)
    t.that(not plain.requires_grad, "a tensor that required no gradient requires one afterwards")


w1.reward(pictures.path_downhill)

# ---- W2 ----------------------------------------------------------------------------------------------

w2 = Exercise(
    "W2",
    takes={"running_averages": list},
    hints=(
        "Two things go side by side: the average that is *remembered*, which starts at 0 and is never "
        "corrected, and the number that is *reported*.",
        "m ← β·m + (1 − β)·x for each value; reported is m / (1 − βᵗ), with t = 1 for the first value.",
        "`for t, x in enumerate(values, start=1): m = beta * m + (1 - beta) * x; "
        "averages.append(m / (1 - beta**t))`",
    ),
)
VALUES, BETA = [4.0, 4.0, 10.0, -6.0], 0.5


def averages(beta: float = BETA, mistake: str = "") -> list[float]:
    """The definition, with one mistake if wanted."""
    m, found = 0.0, []
    for t, x in enumerate(VALUES, start=1):
        old = beta if mistake != "weights" else 1 - beta
        m = old * m + (x if mistake == "sum" else (1 - old) * x)
        corrected = m / (1 - beta ** (t + 1 if mistake == "late" else t))
        if mistake == "remembers":
            m = corrected
        found.append(m if mistake == "raw" else corrected)
    return found


@w2.probe("values-changed")
def values_changed(a, t):
    values = [*VALUES]
    t.attempt(lambda: a.running_averages(values, BETA))
    if values != VALUES:
        return f"the caller's list was {numbers(VALUES)} and is {numbers(values)} afterwards: only read it"


@w2.probe("not-corrected")
def not_corrected(a, t):
    if close(a.running_averages([*VALUES], BETA), averages(mistake="raw")):
        return (
            "your averages of 4, 4, … begin with 2: they start at 0 and are still on their way. Divide each "
            "by 1 − βᵗ"
        )


@w2.probe("t-starts-at-0")
def starts_at_zero(a, t):
    attempt = t.tried(lambda: a.running_averages([*VALUES], BETA))
    if attempt.raised(ZeroDivisionError):
        return "division by zero: for the first value t is 1, so 1 − βᵗ is 1 − β. Count from 1"


@w2.probe("t-starts-at-2")
def starts_at_two(a, t):
    if close(a.running_averages([*VALUES], BETA), averages(mistake="late")):
        return "you divide the first average by 1 − β²: for the first value t is 1"


@w2.probe("weights-exchanged")
def weights_exchanged(a, t):
    found = a.running_averages([*VALUES], 0.8)
    m, swapped = 0.0, []
    for n, x in enumerate(VALUES, start=1):
        m = (1 - 0.8) * m + 0.8 * x
        swapped.append((m / (1 - 0.8**n), m / (1 - 0.2**n), m))
    if any(close(found, [each[i] for each in swapped]) for i in range(3)):
        return (
            "the weights are exchanged: β belongs to the old average, 1 − β to the new value. β near 1 means "
            "a long memory"
        )


@w2.probe("corrected-value-remembered")
def remembers_corrected(a, t):
    if close(a.running_averages([*VALUES], BETA), averages(mistake="remembers")):
        return (
            "you go on with the *corrected* average, and correct it again in the next step. Remember m as it "
            "is, and correct only what you report"
        )


@w2.probe("starts-at-the-first-value")
def starts_at_first(a, t):
    m, found = VALUES[0], [VALUES[0]]
    for x in VALUES[1:]:
        m = BETA * m + (1 - BETA) * x
        found.append(m)
    if close(a.running_averages([*VALUES], BETA), found):
        return (
            "you start at the first value, which then keeps a weight that fades slowly. Asked for is a start "
            f"at 0 with the correction 1 − βᵗ: the third average is {averages()[2]:.4g}, yours is "
            f"{found[2]:.4g}"
        )


@w2.probe("plain-mean")
def plain_mean(a, t):
    means = [sum(VALUES[: n + 1]) / (n + 1) for n in range(len(VALUES))]
    if close(a.running_averages([*VALUES], BETA), means):
        return "that is the plain mean of all values so far: recent values should count more, old ones fade"


@w2.probe("values-not-weighted")
def not_weighted(a, t):
    found = a.running_averages([*VALUES], BETA)
    m, raw = 0.0, []
    for x in VALUES:
        m = BETA * m + x
        raw.append(m)
    if close(found, raw) or close(found, averages(mistake="sum")):
        return "you add the new value with weight 1: it is mixed in with weight 1 − β"


@w2.probe("only-the-last")
def only_the_last(a, t):
    found = a.running_averages([*VALUES], BETA)
    if isinstance(found, list) and len(found) != len(VALUES):
        return (
            f"4 values give {len(found)} averages: one is asked for after *each* value, and none for the "
            "start at 0"
        )


@w2.probe("not-floats")
def not_floats(a, t):
    found = a.running_averages([*VALUES], BETA)
    wrong = [x for x in found if not isinstance(x, float | int)]
    if wrong:
        return f"an entry is a {type(wrong[0]).__name__}, asked for are Python floats"


@w2.probe("fails-on-no-values")
def fails_on_nothing(a, t):
    attempt = t.tried(lambda: a.running_averages([], 0.9))
    if attempt.raised(Exception):
        return f"no values should give an empty list, yours raises {type(attempt.error).__name__}"


@w2.probe("fails-at-beta-0")
def fails_at_beta_zero(a, t):
    attempt = t.tried(lambda: a.running_averages([2.0, 3.0], 0.0))
    if attempt.raised(Exception):
        return f"beta = 0 is allowed and remembers the newest value alone; yours raises {attempt.error!r:.60}"


@w2.probe("something-for-no-values")
def for_no_values(a, t):
    found = a.running_averages([], 0.5)
    if found != []:
        return f"no values should give an empty list, yours gives {found}"


@w2.probe("corrected-for-all-values")
def corrected_for_all(a, t):
    raw, last = averages(mistake="raw"), 1 - BETA ** len(VALUES)
    if close(a.running_averages([*VALUES], BETA), [m / last for m in raw]):
        return (
            "every average is divided by 1 − β⁴, as if all four values had been seen: after t values the "
            "divisor is 1 − βᵗ, another one each time"
        )


@w2.probe("rounded")
def averages_rounded(a, t):
    found = a.running_averages([*VALUES], BETA)
    if not close(found, averages(), 1e-9) and close(found, averages(), 0.006):
        return f"the third average is {averages()[2]!r}, yours is {found[2]!r}: do not round"


@w2.probe("other-averages")
def other_averages(a, t):
    found = a.running_averages([*VALUES], BETA)
    if not close(found, averages(), 1e-5):
        return (
            f"running_averages({numbers(VALUES)}, 0.5) should be {numbers(averages())}, yours is "
            f"{numbers(found)}"
        )


@w2.property("the corrected average after each value")
def corrected(a, t):
    for count in (0, 1, 2, 5, 30):
        for beta in (0.0, 0.5, float(t.rand(1)), 0.999):
            values = t.randn(count).tolist()
            weights = [[beta**k for k in range(n, -1, -1)] for n in range(count)]
            expected = [
                math.fsum(w * x for w, x in zip(row, values, strict=False)) / math.fsum(row)
                for row in weights
            ]
            t.equal(a.running_averages(values, beta), expected, f"β = {beta:.3g}", rtol=1e-8, atol=1e-8)


w2.reward(pictures.smoothed_losses)

# ---- W3 ----------------------------------------------------------------------------------------------

w3 = Exercise(
    "W3",
    takes={"overall_mean": (float, int)},
    hints=(
        "What would you need to know to compute the mean from scratch? Can you get it back from a mean and a "
        "count?",
        "Σ meanᵢ · countᵢ / Σ countᵢ, over the batches that have examples.",
        "`sum(m * n for m, n in zip(means, counts) if n > 0) / max(sum(counts), 1)`",
    ),
)
MEANS, COUNTS = [1.0, 5.0, 7.0], [3, 1, 2]  # the sum is 22, of 6


@w3.probe("lists-changed")
def lists_changed(a, t):
    means, counts = [*MEANS], [*COUNTS]
    t.attempt(lambda: a.overall_mean(means, counts))
    if (means, counts) != (MEANS, COUNTS):
        return "your function changed the caller's lists: only read them"


@w3.probe("mean-of-means")
def mean_of_means(a, t):
    if close(a.overall_mean([*MEANS], [*COUNTS]), 13 / 3):
        return (
            "for means 1, 5, 7 of 3, 1 and 2 examples you return 4.33, the mean of the means: the single "
            "example of the second batch counts as much as the three of the first. Weight by the counts"
        )


@w3.probe("sum-of-losses")
def sum_of_losses(a, t):
    if close(a.overall_mean([*MEANS], [*COUNTS]), 22.0):
        return "22 is the *sum* of all losses: divide it by the number of examples, 6"


@w3.probe("divided-by-the-batches")
def divided_by_batches(a, t):
    found = a.overall_mean([*MEANS], [*COUNTS])
    if close(found, 22 / 3) or close(found, 13 / 6):
        return (
            f"you return {float(found):.3g}: above the line stand mean · count, below it the number of "
            "*examples*, 6"
        )


@w3.probe("weights-upside-down")
def upside_down(a, t):
    inverse = sum(m / n for m, n in zip(MEANS, COUNTS, strict=True))
    found = a.overall_mean([*MEANS], [*COUNTS])
    if any(close(found, inverse / d) for d in (1, 3, 6, sum(1 / n for n in COUNTS))):
        return "you divide each mean by its count: a large batch would count less. Multiply"


@w3.probe("nan-of-an-empty-batch")
def nan_spreads(a, t):
    attempt = t.tried(lambda: a.overall_mean([2.0, math.nan, 4.0], [1, 0, 1]))
    if attempt.raised(Exception) or (
        isinstance(attempt.value, float) and not close(attempt.value, 3.0) and close(nonempty(a), 22 / 6)
    ):
        said = type(attempt.error).__name__ if attempt.error else numbers(attempt.value)
        return (
            f"with means 2, nan, 4 of 1, 0 and 1 examples you get {said}, expected 3: 0 · nan is nan, so an "
            "empty batch must be left out (and it is not one of the examples)"
        )


def nonempty(a) -> float:
    return a.overall_mean([*MEANS], [*COUNTS])


@w3.probe("no-examples-at-all")
def no_examples(a, t):
    for means, counts in (([], []), ([math.nan], [0])):
        attempt = t.tried(lambda m=means, n=counts: a.overall_mean(m, n))
        if attempt.raised(Exception) or not close(attempt.value, 0.0):
            said = type(attempt.error).__name__ if attempt.error else numbers(attempt.value)
            return f"overall_mean({means}, {counts}) has no examples and should be 0.0; yours gives {said}"


@w3.probe("mean-of-zero-dropped")
def zero_dropped(a, t):
    if close(a.overall_mean([0.0, 4.0], [1, 1]), 4.0):
        return (
            "means 0 and 4 of one example each give 2, yours 4: you leave out the batch whose *mean* is 0. "
            "Its examples count; only a batch with a *count* of 0 is left out"
        )


@w3.probe("sign-of-a-mean")
def sign_of_a_mean(a, t):
    found = a.overall_mean([-2.0, 4.0], [3, 1])
    if not close(found, -0.5) and close(a.overall_mean([*MEANS], [*COUNTS]), 22 / 6):
        return (
            f"means −2 and 4 of 3 and 1 examples give −0.5, yours {numbers(found)}: a mean may be negative, "
            "and counts all the same"
        )


@w3.probe("rounded")
def rounded(a, t):
    found = a.overall_mean([*MEANS], [*COUNTS])
    if found in (3, 4, 3.67, 3.7, 3.667):
        return f"22 / 6 is 3.6667, you return {found}: do not round, and divide by `/`, not `//`"


@w3.probe("other-mean")
def other_mean(a, t):
    found = a.overall_mean([*MEANS], [*COUNTS])
    if not close(found, 22 / 6, 1e-5):
        return f"overall_mean({numbers(MEANS)}, {COUNTS}) should be 22/6 = 3.667, yours is {numbers(found)}"


@w3.property("every example counts the same")
def counts_the_same(a, t):
    for batches in (1, 2, 5, 20):
        counts = t.randint(0, 9, batches).tolist()
        losses = [t.randn(n).tolist() for n in counts]
        means = [math.fsum(batch) / len(batch) if batch else math.nan for batch in losses]
        every = [x for batch in losses for x in batch]
        expected = math.fsum(every) / len(every) if every else 0.0
        t.equal(a.overall_mean(means, counts), expected, f"{batches} batches", rtol=1e-5, atol=1e-6)
    t.equal(a.overall_mean([0.0, 4.0, 0.0], [1, 1, 2]), 1.0, "means of 0")


w3.reward(pictures.means_of_digits)

# ---- W4 ----------------------------------------------------------------------------------------------

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
