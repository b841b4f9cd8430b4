"""Hold labs to the contract: rules, verdicts of every check, and all notebooks in both lanes."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from courseware.cli.place import Place, shown
from courseware.source import LabFolder

EXAMPLES = """\
  course validate                    every lab
  course validate 1.1 --rules-only   no check is run and no notebook executed
  course validate 1.1 --lane warm    notebooks in warm forks only"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("labs", metavar="LAB", nargs="*", help="labs to validate; all by default")
    parser.add_argument("--lane", choices=["kernel", "warm", "both"], default="both", help="(%(default)s)")
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="seeds for each check (%(default)s)"
    )
    parser.add_argument("--rules-only", action="store_true", help="run no check and no notebook")


def run(options: argparse.Namespace) -> int:
    course = Place.here().course
    labs = [course.lab(name) for name in options.labs] or course.labs
    problems = 0
    for lab in labs:
        print(f"lab {lab.number} · {lab.title}", flush=True)
        for problem in _problems(lab, options):
            problems += 1
            print(f"  {problem}", flush=True)
    print(f"{problems} problem{'s' * (problems != 1)}" if problems else "all is well")
    return 1 if problems else 0


def _problems(lab: LabFolder, options: argparse.Namespace) -> Iterator[str]:
    from courseware.contract import RULES

    for rule in RULES:
        for problem in rule.problems(lab):
            yield f"{rule.name}: {problem}"
    if options.rules_only:
        return
    yield from _verdicts(lab, range(options.seeds))
    for lane in ("kernel", "warm"):
        if options.lane in (lane, "both"):
            yield from _runs(lab, lane)


def _verdicts(lab: LabFolder, seeds: range) -> Iterator[str]:
    from courseware import contract

    try:
        bench = contract.Bench.of(lab)
    except Exception as error:  # an author's own modules: any error is theirs to see, in one line
        yield f"its modules cannot be loaded: {type(error).__name__}: {error}"
        return
    for key in bench.exercises:
        yield from contract.solution_passes(bench, key, seeds)
        yield from contract.stub_is_not_attempted(bench, key)
        yield from contract.misconceptions_are_named(bench, key, seeds)
        yield from contract.verdict_follows_objects(bench, key)


def _runs(lab: LabFolder, lane: str) -> Iterator[str]:
    """The notebooks of an author and, as a learner has it, the one full of stubs."""
    from courseware.run import execute

    with TemporaryDirectory() as home:
        learner = {"COURSEWARE_VALIDATE": None, "COURSE_HOME": home}
        for name in ("theory", "solution", "exercises"):
            path = lab.path / f"{name}.ipynb"
            if path.is_file():
                env = learner if name == "exercises" else {}
                result = execute(path, lane="warm" if lane == "warm" else "kernel", env=env)
                cost = f"{result.cpu_seconds:.0f} CPU s, {result.peak_bytes / 2**20:.0f} MiB"
                print(f"  {lane} lane: {shown(Path(path))} {result.verdict} ({cost})", flush=True)
                if not result.passed:
                    yield f"{lane} lane: {result}"
