"""Rules on the theory notebook's text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from courseware.contract.rules import rule
from courseware.source import Cell, LabFolder
from courseware.source.ids import heading_of

SECTIONS = (
    "Why This Lab Matters",
    "The Big Picture",
    "Deep Dive",
    "Mathematical Foundations",
    "Production Examples",
    "Common Pitfalls",
    "Interview Questions",
    "Expert Checklist",
    "References",
)
FEWEST_QUESTIONS = 5
SHORTEST_ANSWER = 40  # characters
_QUESTION = re.compile(r"<details[^>]*>\s*<summary>(.*?)</summary>(.*?)</details>", re.DOTALL)


def sections(lab: LabFolder) -> dict[str, list[Cell]]:
    """The cells under each second-level heading of the theory notebook."""
    found: dict[str, list[Cell]] = {}
    name = ""
    for cell in lab.theory().cells:
        if cell.kind == "markdown" and cell.text.startswith("## "):
            name = heading_of(cell.text) or ""
        if name:
            found.setdefault(name, []).append(cell)
    return found


@rule("sections", "the nine sections of a theory notebook, in order, none of them empty")
def theory_sections(lab: LabFolder) -> Iterator[str]:
    found = sections(lab)
    for name in SECTIONS:
        if name not in found:
            yield f"theory.md has no section “{name}”"
        elif not any(cell.text.removeprefix(f"## {name}").strip() for cell in found[name]):
            yield f"the section “{name}” is empty"
    for name in found:
        if name not in SECTIONS:
            yield f"theory.md has a section “{name}” that no lab has: make it a part (###) of one of the nine"
    order = [name for name in found if name in SECTIONS]
    if order != [name for name in SECTIONS if name in found]:
        yield f"the sections stand in another order: {' · '.join(order)}"


@rule("interview questions", "at least five interview questions, folded, each with a model answer")
def interview_questions(lab: LabFolder) -> Iterator[str]:
    text = "\n\n".join(cell.text for cell in sections(lab).get("Interview Questions", []))
    questions = _QUESTION.findall(text)
    if len(questions) < FEWEST_QUESTIONS:
        yield (
            f"{len(questions)} folded interview questions, at least {FEWEST_QUESTIONS} are needed "
            "(<details><summary>question</summary> answer </details>)"
        )
    for question, answer in questions:
        if len(answer.strip()) < SHORTEST_ANSWER:
            yield f"the interview question “{_plain(question)}” has no model answer"


def _plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", html).split())


@rule("profile", 'theory and solution have a parameters cell with profile = "laptop"')
def profile(lab: LabFolder) -> Iterator[str]:
    for source in (lab.theory(), lab.solution()):
        if not any(cell.role == "parameters" for cell in source.cells):
            yield f'{source.path.name} has no cell with tags=["parameters"]'


@rule("titles", "both notebooks are headed by the lab's number and name")
def titles(lab: LabFolder) -> Iterator[str]:
    kind = "Project" if lab.name.startswith("project") else "Lab"
    for source in (lab.theory(), lab.solution()):
        if not re.match(rf"(?:Lab|{kind}) {re.escape(lab.number)} · \S", source.title):
            yield f"{source.path.name} is headed {source.title!r}, expected “{kind} {lab.number} · …”"
    if lab.title not in lab.theory().title:
        yield f"theory.md is headed {lab.theory().title!r}, the exercises are called {lab.title!r}"
