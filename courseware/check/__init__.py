"""Exercises, probes, diagnoses, reports: what `lab.check("E1", …)` runs.

A lab's `checks.py` describes each exercise once:

    from courseware.check import Exercise, forbid
    from courseware.check.observe import same_storage

    e1 = Exercise(
        "E1",
        takes={"double_rows": Tensor},                 # the learner's objects, and what the functions return
        hints=("the idea", "the formula", "nearly the code"),
        forbids=forbid("repeat", why="the point is to build it from a view"),
    )

    @e1.probe("copies")                                 # a known mistake, by its signature on a tiny input
    def copies(a, t):
        x = t.randn(3)
        if not same_storage(a.double_rows(x), x):
            return "the values are right, but they were copied: …"

    @e1.property("the values are right", points=15)     # what must hold; all run, each is worth its points
    def values(a, t):
        for n in range(5):                              # small cases first: the first failure is the smallest
            x = t.randn(n)
            with t.oracle():                            # forbidden names are allowed to the check itself
                expected = x.expand(2, n)
            t.equal(a.double_rows(x), expected)

    @e1.reward
    def picture(a): ...                                 # drawn with the learner's own function

`a.name` is the learner's object: functions are watched (inputs must come back unchanged, a missing `return`
is named, forbidden calls are refused, the last call is shown in the report), classes are passed as they are.
`t` is a `Trial`: seeded inputs and verdicts. The number in `t.reaches(0.97, 0.94, "of the digits are right")`
is shown in the report, and the first one of E5 in the README. Wrong answers live beside the checks, in
`misconceptions.py`:

    @misconception("E1", diagnosis="copies")
    def repeats_instead_of_viewing():
        def double_rows(x):
            return torch.stack([x, x])
        return {"double_rows": double_rows}             # names left out are the solution's

Helpers that need torch are in `courseware.check.observe`, `.numeric`, `.edges`, `.compare` and `.naming`.
"""

from courseware.check.exercise import Exercise
from courseware.check.misconceptions import Misconception, misconception, misconceptions_in
from courseware.check.outcomes import CheckError, CheckFailed
from courseware.check.probes import Probes
from courseware.check.report import Measure, PropertyResult, Report, Status
from courseware.check.rules import Rules, forbid
from courseware.check.runner import DEFAULT_SEED, run_exercise
from courseware.check.trial import Attempt, Trial

__all__ = [
    "DEFAULT_SEED",
    "Attempt",
    "CheckError",
    "CheckFailed",
    "Exercise",
    "Measure",
    "Misconception",
    "Probes",
    "PropertyResult",
    "Report",
    "Rules",
    "Status",
    "Trial",
    "forbid",
    "misconception",
    "misconceptions_in",
    "run_exercise",
]
