"""The known mistakes of E5 in the files: how they are written, and which one is read."""

import os
from pathlib import Path
from typing import Any

import torch

from courseware.check import Probes, Trial
from phase1_foundations.lab3_training_loop.checks_by_exercise.e5_world import (
    World,
    folder,
    scramble,
)

probes = Probes()
MIDDLE = 9  # the third of six steps in the second epoch


def saved(a: Any, t: Trial, path: Path, epochs: int = 2) -> tuple[Any, World]:
    world = World(t.seed % 1000)
    trainer = world.factory(a.Trainer, path)()
    trainer.fit(world.train, world.valid, epochs)
    return trainer, world


def back(a: Any, t: Trial, path: Path) -> Any:
    scramble(3)
    return a.Trainer.resume(path, World(t.seed % 1000).factory(a.Trainer, path))


# ---- files ------


@probes("folder-not-made")
def folder_not_made(a: Any, t: Trial) -> str | None:
    with folder() as path:
        attempt = t.tried(lambda: saved(a, t, path / "new" / "run", epochs=1))
        if attempt.raised(OSError, RuntimeError) and not (path / "new" / "run").is_dir():
            return (
                f"where `ckpt_dir` does not exist yet saving fails ({attempt.error!s:.80}): make it, "
                "parents too"
            )
    return None


@probes("no-checkpoint-after-an-epoch")
def no_checkpoint(a: Any, t: Trial) -> str | None:
    with folder() as path:
        saved(a, t, path)
        found = sorted(each.name for each in path.iterdir())
    if not {"epoch-1.pt", "epoch-2.pt"} <= set(found):
        return f"after two epochs the folder holds {found or 'nothing'}, expected epoch-1.pt and epoch-2.pt"
    return None


@probes("leftovers-in-the-folder")
def leftovers(a: Any, t: Trial) -> str | None:
    with folder() as path:
        saved(a, t, path)
        extra = sorted(each.name for each in path.iterdir() if each.name not in ("epoch-1.pt", "epoch-2.pt"))
    if extra:
        return (
            f"beside the checkpoints the folder holds {extra}: the file written beside must be "
            "*renamed*, not copied"
        )
    return None


@probes("file-is-refused")
def refused(a: Any, t: Trial) -> str | None:
    with folder() as path:
        saved(a, t, path, epochs=1)
        attempt = t.tried(lambda: torch.load(path / "epoch-1.pt", weights_only=True))
    if attempt.error is not None:
        return (
            "torch.load(…, weights_only=True) refuses your file "
            f"({' '.join(str(attempt.error).split())[:140]}): save dicts, lists, numbers, texts and tensors, "
            "no objects"
        )
    return None


@probes("overwrites-in-place")
def in_place(a: Any, t: Trial) -> str | None:
    with folder() as path:
        trainer, world = saved(a, t, path, epochs=1)
        trainer.save("latest")
        before = (path / "latest.pt").read_bytes()
        os.link(path / "latest.pt", path / "twin")  # a second name of the same file on the disk
        trainer.fit(world.train, world.valid, 2)
        trainer.save("latest")
        touched, same = (path / "twin").read_bytes() != before, (path / "latest.pt").read_bytes() == before
    if same:
        return 'save("latest") a second time did not replace latest.pt'
    if touched:
        return (
            "the old latest.pt was overwritten in place: killed at that moment, the run has neither the old "
            "nor the new one (latest.pt is truncated). Write a file beside it, then `os.replace`"
        )
    return None


@probes("old-file-deleted-first")
def deleted_first(a: Any, t: Trial) -> str | None:
    with folder() as path:
        trainer, _ = saved(a, t, path, epochs=1)
        trainer.save("latest")
        before, original = (path / "latest.pt").read_bytes(), torch.save

        def full_disk(*args: Any, **kwargs: Any) -> None:
            raise OSError(28, "No space left on device")

        torch.save = full_disk
        try:
            t.attempt(lambda: trainer.save("latest"))
        finally:
            torch.save = original
        whole = (path / "latest.pt").is_file() and (path / "latest.pt").read_bytes() == before
    if not whole:
        return (
            "the disk was full while latest.pt was saved again, and the old one is gone: replace it "
            "only at the end"
        )
    return None


# ---- which file ------


@probes("resume-returns-nothing")
def returns_nothing(a: Any, t: Trial) -> str | None:
    with folder() as path:
        saved(a, t, path)
        found = back(a, t, path)
    if not isinstance(found, a.Trainer):
        return f"Trainer.resume returned {type(found).__name__}, expected the restored trainer"
    return None


@probes("no-checkpoint-no-error")
def no_error(a: Any, t: Trial) -> str | None:
    with folder() as path:
        attempt = t.tried(lambda: back(a, t, path))
        if not attempt.raised(FileNotFoundError):
            did = f"raises {type(attempt.error).__name__}" if attempt.error else "returns"
            return f"in an empty folder Trainer.resume {did}, expected FileNotFoundError"
    return None


@probes("damaged-file-chosen")
def damaged(a: Any, t: Trial) -> str | None:
    with folder() as path:
        saved(a, t, path)
        whole = (path / "epoch-2.pt").read_bytes()
        if back(a, t, path).epoch != 2:
            return None  # then it is not the damage
        for name, content in (
            ("truncated", whole[: len(whole) // 2]),
            ("empty", b""),
            ("garbled", b"x" * 500),
        ):
            (path / "epoch-2.pt").write_bytes(content)
            attempt = t.tried(lambda: back(a, t, path).epoch)
            if attempt.raised(Exception):
                return (
                    f"epoch-2.pt is {name}, epoch-1.pt is whole, and resume raises "
                    f"{type(attempt.error).__name__}: pass over what cannot be read and take the newest of "
                    "the others"
                )
            if attempt.value != 1:
                return (
                    f"epoch-2.pt is {name}; resume begins at epoch {attempt.value}, expected 1, from "
                    "epoch-1.pt"
                )
        (path / "epoch-1.pt").write_bytes(b"")
        attempt = t.tried(lambda: back(a, t, path))
        if not attempt.raised(FileNotFoundError):
            did = f"raises {type(attempt.error).__name__}" if attempt.error else "returns"
            return f"where every checkpoint is damaged Trainer.resume {did}, expected FileNotFoundError"
    return None


@probes("newest-by-name-or-time")
def newest(a: Any, t: Trial) -> str | None:
    with folder() as path:
        trainer, world = saved(a, t, path, epochs=1)
        if back(a, t, path).epoch != 1:
            return None  # then it is not the choice
        trainer.save("zzz")
        trainer.fit(world.train, world.valid, 10)
        for i, each in enumerate(sorted(path.iterdir(), key=lambda p: p.stat().st_mtime_ns, reverse=True)):
            os.utime(each, (1_000_000 + i, 1_000_000 + i))
        found = back(a, t, path).epoch
    if found != 10:
        return (
            "after ten epochs, with epoch-1 … epoch-10 and an early zzz.pt in the folder, resume begins at "
            f"epoch {found}: the newest has the most optimizer steps. Sorted by name epoch-9 comes after "
            "epoch-10; file times change when files are copied"
        )
    return None
