"""The contract that every lab keeps, as rules that say in words where a lab breaks them.

`RULES` execute no notebook. The rules on verdicts run one exercise's check, those on runs a notebook.
"""

from courseware.contract import exercises, figures, folder, links, notebooks, theory
from courseware.contract.bench import Bench
from courseware.contract.rules import Rule
from courseware.contract.runs import full_profile_runs, solution_runs, stubs_run
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
    "full_profile_runs",
    "misconceptions_are_named",
    "solution_passes",
    "solution_runs",
    "stub_is_not_attempted",
    "stubs_run",
    "verdict_follows_objects",
]
