"""The contract that every lab keeps, as rules that say in words where a lab breaks them.

`RULES` need no notebook to be executed. The verdict rules run one exercise's check; notebooks are executed by
`courseware.run`.
"""

from courseware.contract import exercises, figures, folder, links, notebooks, theory
from courseware.contract.bench import Bench
from courseware.contract.rules import Rule
from courseware.contract.verdicts import (
    misconceptions_are_named,
    solution_passes,
    stub_is_not_attempted,
    verdict_follows_objects,
)

RULES: tuple[Rule, ...] = (
    folder.files,
    folder.readme,
    exercises.exercises,
    exercises.after_each_exercise,
    exercises.checks,
    exercises.hints,
    exercises.misconceptions,
    exercises.independent_oracle,
    theory.titles,
    theory.theory_sections,
    theory.interview_questions,
    theory.profile,
    notebooks.current,
    notebooks.executed,
    notebooks.budget,
    notebooks.ids,
    notebooks.clean,
    notebooks.no_leak,
    figures.figures,
    figures.captions,
    links.links,
)
"""In the order in which a person would look at them."""

__all__ = [
    "RULES",
    "Bench",
    "Rule",
    "misconceptions_are_named",
    "solution_passes",
    "stub_is_not_attempted",
    "verdict_follows_objects",
]
