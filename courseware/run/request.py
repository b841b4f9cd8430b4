"""What the parts of one run tell each other, through a private scratch folder."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Request:
    """One notebook to run. Its folder holds `notebook.ipynb`, the journal and the outcome."""

    folder: Path
    run_id: str
    cwd: Path
    timeout: float
    allow_errors: bool
    network: bool
    environment: dict[str, str]  # the whole environment of the run

    @property
    def notebook(self) -> Path:
        return self.folder / "notebook.ipynb"

    @property
    def journal(self) -> Path:
        return self.folder / "journal.jsonl"

    @property
    def log(self) -> Path:
        """What the kernel's driver itself had to say."""
        return self.folder / "driver.log"

    def save(self) -> None:
        plain = asdict(self) | {"folder": str(self.folder), "cwd": str(self.cwd)}
        (self.folder / "request.json").write_text(json.dumps(plain))

    @classmethod
    def load(cls, folder: Path) -> "Request":
        plain: dict[str, Any] = json.loads((folder / "request.json").read_text())
        return cls(**plain | {"folder": Path(plain["folder"]), "cwd": Path(plain["cwd"])})


def scratch_folder() -> Path:
    """A new private folder with a short name: Unix socket paths end after about 100 characters."""
    short = "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else None
    return Path(tempfile.mkdtemp(prefix="cw-", dir=short))
