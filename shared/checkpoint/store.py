"""A folder of checkpoints: ``step-00000120/`` with ``state.pt`` and ``manifest.json``.

The newest ones are kept, and the best ones that they speak of. Nothing is deleted before what replaces it
is safely on the disk, so a full disk or a crash costs at most the checkpoint that was being written.
``state.pt`` is an ordinary torch file: ``torch.load(path, weights_only=True)`` reads it without this
library.
"""

import errno
import re
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from shared.checkpoint.atomic import REPLACED, atomic_folder
from shared.checkpoint.manifest import read_manifest, verify, write_manifest

STATE = "state.pt"


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or read."""


class CheckpointWarning(UserWarning):
    """A damaged checkpoint was passed over."""


@runtime_checkable
class Store(Protocol):
    """What a trainer wants from a place for checkpoints."""

    def save(self, state: Mapping[str, Any], step: int, *, best_step: int | None = None) -> Path:
        """Save durably, then drop what need not be kept."""

    def steps(self) -> list[int]:
        """The steps of all checkpoints, oldest first, unverified."""

    def load(self, step: int) -> dict[str, Any]:
        """The state of that step."""

    def newest(self) -> dict[str, Any] | None:
        """The newest state that is sound; None if there are no checkpoints."""


class CheckpointStore:
    """Checkpoints of one process, as files. One run writes into a folder at a time.

    Args:
        keep: how many of the newest to keep, besides the best step that each of them names.
    """

    def __init__(self, folder: Path, *, keep: int = 2) -> None:
        if keep < 1:
            raise ValueError(f"a store should keep at least 1 checkpoint, but keep is {keep}")
        self.folder = folder
        self.keep = keep

    def save(self, state: Mapping[str, Any], step: int, *, best_step: int | None = None) -> Path:
        """Write ``state`` so that it is there completely or not at all, then drop what need not be kept.

        A state that ``torch.load(weights_only=True)`` would refuse is refused here, while there is still
        time.
        """
        target = self._path(step)
        try:
            with atomic_folder(target) as folder:
                with (folder / STATE).open("wb") as file:
                    torch.save(dict(state), file)
                torch.load(folder / STATE, weights_only=True, mmap=True, map_location="cpu")
                write_manifest(folder, {"step": step, "best_step": best_step, "torch": torch.__version__})
        except Exception as error:
            raise CheckpointError(self._why_not_written(target, error)) from error
        self._prune()
        return target

    def steps(self) -> list[int]:
        """The steps of all checkpoints, oldest first, damaged ones included."""
        return sorted({step for step, _ in self._candidates()})

    def load(self, step: int) -> dict[str, Any]:
        """The state of one step, on the CPU. Raises CheckpointError if it is missing or damaged."""
        problems = []
        for path in (path for found, path in self._candidates() if found == step):
            try:
                return _read(path)
            except ValueError as error:
                problems.append(f"{path}: {error}")
        if problems:
            raise CheckpointError(f"the checkpoint of step {step} is damaged: {'; '.join(problems)}")
        there = ", ".join(map(str, self.steps())) or "none"
        raise CheckpointError(f"{self.folder} has no checkpoint of step {step}: there are {there}")

    def newest(self) -> dict[str, Any] | None:
        """The state of the newest sound checkpoint; None if there are no checkpoints at all.

        Damaged ones are named in a CheckpointWarning and passed over. If all are damaged, CheckpointError
        says so: starting afresh is then for a person to decide.
        """
        problems = []
        for _, path in self._candidates():
            try:
                state = _read(path)
            except ValueError as error:
                problems.append(f"{path}: {error}")
                warnings.warn(
                    f"passing over a damaged checkpoint, {problems[-1]}", CheckpointWarning, stacklevel=2
                )
            else:
                return state
        if problems:
            raise CheckpointError(
                f"every checkpoint in {self.folder} is damaged ({'; '.join(problems)}): "
                "delete the folder to start afresh"
            )
        return None

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _candidates(self) -> list[tuple[int, Path]]:
        """Newest first; of one step, the one that was being replaced comes second."""
        found = []
        for path in self.folder.glob("step-*"):
            if match := re.fullmatch(rf"step-(\d+)({re.escape(REPLACED)})?", path.name):
                found.append((int(match[1]), path))
        return sorted(found, key=lambda each: (-each[0], each[1].name))

    def _prune(self) -> None:
        kept = set(self.steps()[-self.keep :])
        for step in sorted(kept):
            try:
                kept.add(read_manifest(self._path(step))["best_step"])
            except ValueError:
                continue  # damaged: it names no best step
        for step, path in self._candidates():
            done_with = path != self._path(step) and self._path(step).exists()  # its replacement is complete
            if step not in kept or done_with:
                shutil.rmtree(path, ignore_errors=True)

    def _why_not_written(self, target: Path, error: Exception) -> str:
        steps = self.steps()
        rest = (
            f"the earlier ones are untouched, the newest of step {steps[-1]}"
            if steps
            else "there is no earlier one"
        )
        return f"cannot write the checkpoint {target}: {_reason(error)}; {rest}"


def _read(path: Path) -> dict[str, Any]:
    """Verify and load. Raises ValueError with the reason if the checkpoint is not as it was written."""
    verify(path)
    try:
        state: dict[str, Any] = torch.load(path / STATE, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds, all of which mean that it cannot be used
        raise ValueError(_reason(error)) from error
    return state


def _reason(error: BaseException) -> str:
    """What went wrong, in few words: torch says it in many, or hides it behind another failure."""
    if forbidden := re.search(r"Unsupported global: GLOBAL ([\w.]+)", str(error)):
        return f"{forbidden[1]} is none of the tensors, numbers, texts and containers that are safe to read"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            advice = ": free some space" if cause.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT) else ""
            return f"{cause.strerror}{advice}"
        cause = cause.__context__
    return " ".join(str(error).split())[:200]
