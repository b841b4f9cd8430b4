"""W2: a running average."""

import math

from courseware.check import Exercise
from courseware.check.describe import numbers
from phase1_foundations.lab3_training_loop.checks_by_exercise import warmup_pictures as pictures
from phase1_foundations.lab3_training_loop.checks_by_exercise.tools import close

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
