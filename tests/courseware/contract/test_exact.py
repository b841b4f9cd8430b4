"""Outputs tagged as exact are compared by nbval, as `make test` calls it; others are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from courseware.build import build_lab
from courseware.source import Course

ROOT = Path(__file__).parents[3]
THEORY = """\
# Lab 1.1 · Small — theory

```python tags=["exact"]
print("exactly", 1 + 1)
```

```python
import random
print(random.random())
```
"""


def test_nbval_compares_exact_outputs_and_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "phase1_foundations/lab1_small"
    folder.mkdir(parents=True)
    (folder / "theory.md").write_text(THEORY, encoding="utf-8")
    (folder / "solution.py").write_text("# %% [markdown]\n# # Lab 1.1 · Small\n", encoding="utf-8")
    build_lab(Course(tmp_path).lab("1.1"))
    content = json.loads((folder / "theory.ipynb").read_text(encoding="utf-8"))
    for name, shown in (("right", "exactly 2\n"), ("wrong", "exactly 3\n")):
        code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
        for cell, text in zip(code, (shown, "0.5\n"), strict=True):
            cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": [text]}]
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(content), encoding="utf-8")
    command = ["-m", "pytest", "-p", "conftest", "--nbval-lax", "--nbval-current-env", "--color=no", "-rfp"]
    run = subprocess.run(
        [sys.executable, *command, f"--rootdir={tmp_path}", "right.ipynb", "wrong.ipynb"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 3 passed" in run.stdout, run.stdout[-3000:] + run.stderr[-3000:]
    assert "'exactly 3\\n' == 'exactly 2\\n'" in run.stdout
