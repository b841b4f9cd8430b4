"""Who may know whom: the arrows between labs, the library and the machine."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from courseware.setup.lockfile import canonical

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def modules(*folders: str) -> list[Path]:
    files = [file for folder in folders for file in sorted(ROOT.glob(f"{folder}/**/*.py"))]
    return [file for file in files if "lab-template" not in file.parts]  # a lab in the making


def imported(file: Path) -> Iterator[str]:
    """The absolute names of the modules that a file imports, also inside of functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = file.relative_to(ROOT).parts[: -node.level] if node.level else ()
            yield ".".join([*package, *filter(None, [node.module])])


def is_lab(name: str) -> bool:
    return name.startswith("phase") and name[5:6].isdigit()


def strangers(files: Iterable[Path], is_strange: Callable[[Path, str], bool]) -> list[str]:
    """`file imports module`, for every import that is not allowed there."""
    return [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in sorted(set(imported(file)))
        if is_strange(file, name)
    ]


def top(name: str) -> str:
    return name.partition(".")[0]


def test_the_library_knows_neither_the_machine_nor_a_lab():
    forbidden = {"courseware", "tests", "benchmarks"}
    assert not strangers(modules("shared"), lambda file, name: top(name) in forbidden or is_lab(name))


def test_the_machine_knows_neither_the_library_nor_a_lab():
    forbidden = {"shared", "tests", "benchmarks"}
    assert not strangers(modules("courseware"), lambda file, name: top(name) in forbidden or is_lab(name))


def test_a_lab_knows_the_library_the_machine_and_itself():
    def is_strange(file: Path, name: str) -> bool:
        own = ".".join(file.relative_to(ROOT).parts[:2])
        return top(name) in {"tests", "benchmarks"} or (is_lab(name) and not f"{name}.".startswith(f"{own}."))

    assert not strangers(modules("phase[0-9]*"), is_strange)


FAST = {
    "courseware": "import courseware",
    "course --help": "import courseware.cli as c; c.main(['--help'])",
    "course status": "import courseware.cli as c; c.main(['status'])",
    "source": "import courseware.source",
    "progress": "import courseware.progress",
    "workspace": "import courseware.workspace",
    "build": "import courseware.build",
    "jupyter": "import courseware.jupyter",
    "doctor": "import courseware.doctor",
}


@pytest.mark.parametrize("code", FAST.values(), ids=FAST)
def test_torch_is_loaded_only_where_a_check_needs_it(code):
    program = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "scipy", "sklearn", "matplotlib"):
            raise AssertionError(f"{{name}} was imported")
sys.meta_path.insert(0, Refuse())
try:
    {code}
except SystemExit as end:
    assert not end.code, end.code
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_the_product_imports_it_declares():
    """A package that only comes along with another one is gone when the other one drops it."""
    extras = PROJECT["optional-dependencies"]
    texts = [
        *PROJECT["dependencies"],
        *(text for name in extras if name not in ("test", "bench") for text in extras[name]),
    ]
    declared = {canonical(Requirement(text).name) for text in texts}
    ours = {"courseware", "shared"} | sys.stdlib_module_names
    distributions = packages_distributions()

    def is_strange(file: Path, name: str) -> bool:
        names = {canonical(distribution) for distribution in distributions.get(top(name), [name])}
        return top(name) not in ours and not is_lab(name) and not names & declared

    assert not strangers(modules("courseware", "shared", "phase[0-9]*"), is_strange)
