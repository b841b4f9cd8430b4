"""Writes requirements.lock: the newest versions that pyproject.toml allows, all extras together."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from courseware.setup import lockfile, pip
from courseware.setup.problem import SetupProblem


def write_lock(root: Path) -> None:
    """Install everything into a fresh environment outside the project and keep the versions that came."""
    with tempfile.TemporaryDirectory(prefix="course-lock-") as name:
        folder = Path(name)
        print(
            "Installing the newest versions that pyproject.toml allows into a fresh environment.", flush=True
        )
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        python = folder / "venv" / "bin" / "python"
        selection = f".[{','.join(lockfile.extras(root))}]"
        log = root / "lock.log"
        try:
            pip.install(
                python, lockfile.build_requirements(root), cwd=root, log=log, before_change=lambda: None
            )
            pip.install(
                python,
                ["--no-build-isolation", "--editable", selection],
                cwd=root,
                log=log,
                before_change=lambda: None,
            )
        except pip.PipProblem as problem:
            raise SetupProblem(
                f"No new lock: {problem.reason}. The old one is untouched; pip's log is {log}."
            ) from problem
        frozen = subprocess.run(
            [python, "-m", "pip", "freeze", "--all", "--exclude", "pip", "--exclude-editable"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        log.unlink()
    text = lockfile.write_pins(frozen, without=lockfile.distribution_name(root))
    (root / lockfile.LOCK_NAME).write_text(text, encoding="utf-8")
    print(f"{lockfile.LOCK_NAME}: {len(lockfile.read_pins(text))} packages.")
