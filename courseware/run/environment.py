"""The environment that a notebook runs in, the same in both lanes."""

import getpass
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from courseware.run.processes import MARK

STARTUP = Path(__file__).parent / "startup"
COURSE_ROOT = Path(__file__).parents[2]

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",  # on shared cores two threads are many times slower than one
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def run_environment(
    folder: Path, run_id: str, *, network: bool, changes: Mapping[str, str | None]
) -> dict[str, str]:
    """The whole environment for a run whose scratch folder is `folder`.

    `changes` come last; a value of None removes the name.
    """
    path = [str(STARTUP)] if not network else []
    path += [str(COURSE_ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    wanted: dict[str, str | None] = {
        **ONE_THREAD,
        "COURSEWARE_VALIDATE": "1",
        "COURSEWARE_NETWORK": "allowed" if network else "refused",
        MARK: run_id,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)),
        "PYTHONHASHSEED": "0",  # stored outputs must not change with the order of a set
        "TMPDIR": _made(folder / "tmp"),
        "IPYTHONDIR": _made(folder / "ipython"),  # a user's own start-up files stay out of it
        "JUPYTER_RUNTIME_DIR": _made(folder / "rt"),  # one for each kernel, so that nothing is raced for
        "JUPYTER_PATH": str(_kernelspec(folder)),
        # The compile cache outlives the run's own temporary folder: a cold one costs half a minute.
        "TORCHINDUCTOR_CACHE_DIR": os.environ.get("TORCHINDUCTOR_CACHE_DIR", _compile_cache()),
        **changes,
    }
    environment = {**os.environ, **{name: value for name, value in wanted.items() if value is not None}}
    for name in [name for name, value in wanted.items() if value is None]:
        environment.pop(name, None)
    return environment


def _made(folder: Path) -> str:
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder)


def _kernelspec(folder: Path) -> Path:
    """Pins "python3" to this interpreter: a kernel that a user once installed may be another Python."""
    spec = folder / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"})
    )
    return folder / "jupyter"


def _compile_cache() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return str(Path(tempfile.gettempdir()) / f"torchinductor_{user}")
