"""What E5's check lets ranks do with the learner's program: short runs, a death, a second life."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook

from courseware.check import Trial
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.e5_oracle import Training
from phase2_intermediate.lab5_distributed_training.checks_by_exercise.ranks import (
    Me,
    Outcome,
    attempt,
    on_ranks,
)

EPOCHS_BEFORE_DEATH = 3
MODULES = ("sklearn.datasets",)
DEFAULTS = Training(epochs=10)
MOVED = 0.25  # a weight of rank 1, by the check


def seed_of(seed: int) -> int:
    return seed % 89 + 2


def short_run(seed: int) -> Training:
    """An odd batch, which two ranks cannot share evenly."""
    return Training(epochs=2, batch=501, lr=0.2, seed=seed_of(seed))


def uneven_run(seed: int) -> Training:
    return Training(epochs=1, batch=1436, lr=0.3, seed=seed_of(seed))


def whole_run(seed: int) -> Training:
    """The default flags, but for the seed: so no run can be known by heart."""
    return Training(epochs=10, seed=seed_of(seed))


def flags(run: Training, out: Path) -> list[str]:
    """Those that differ from the defaults, so that the defaults are tried too."""
    asked = {name: getattr(run, name) for name in ("epochs", "batch", "lr", "seed")}
    differ = [(name, value) for name, value in asked.items() if value != getattr(DEFAULTS, name)]
    return ["--out", str(out), *(word for name, value in differ for word in (f"--{name}", str(value)))]


def weights(model: Any) -> Tensor | str:
    """All weights in one vector, or what came instead of a model."""
    if not isinstance(model, nn.Module):
        return type(model).__name__
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def metrics_in(out: Path) -> Any:
    try:
        return json.loads((out / "metrics.json").read_text())
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


@dataclass
class Writes:
    """Files below a folder that this rank has opened for writing, saved to, or renamed onto."""

    folder: Path
    opened: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)

    def note(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[0], str | bytes):
            writing = isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
            if writing:
                self._add(self.opened, args[0])
        elif event == "os.rename":
            self._add(self.renamed, args[1])

    def saved(self, target: Any) -> None:
        if isinstance(target, str | os.PathLike):
            self._add(self.opened, os.fspath(target))

    def _add(self, names: list[str], path: Any) -> None:
        path = Path(os.fsdecode(path)).absolute()
        if self.folder in path.parents:
            names.append(path.name)


_watching: list[Writes] = []


@contextlib.contextmanager
def writes(folder: Path) -> Iterator[Writes]:
    """What this rank writes below the folder. An audit hook sees every open; torch.save has its own way."""
    if not hasattr(sys, "_lab_audit"):
        sys._lab_audit = True  # type: ignore[attr-defined]
        sys.addaudithook(lambda event, args: [seen.note(event, args) for seen in _watching] and None)
    seen, save = Writes(folder.absolute()), torch.save

    def saves(thing: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
        seen.saved(f)
        return save(thing, f, *args, **kwargs)

    torch.save = saves
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)
        torch.save = save


@contextlib.contextmanager
def rows_trained() -> Iterator[list[int]]:
    """How many rows go through the first layer where a gradient is wanted, batch by batch."""
    seen: list[int] = []

    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        if isinstance(module, nn.Linear) and module.in_features == 64 and args and torch.is_grad_enabled():
            seen.append(len(args[0]))

    handle = register_module_forward_pre_hook(note)
    try:
        yield seen
    finally:
        handle.remove()


def run_main(a: Any, run: Training, out: Path, *, alone: bool = False) -> dict[str, Any]:
    with writes(out) as seen, rows_trained() as rows:
        model = a.main(flags(run, out))
    if not alone:
        dist.barrier()
    return {
        "rows": sum(rows),
        "weights": weights(model),
        "metrics": metrics_in(out),
        "opened": seen.opened,
        "renamed": seen.renamed,
        "files": sorted(path.name for path in out.glob("*")),
    }


# ---- cases ------------------------------------------------------------------------------------------------


def short(a: Any, me: Me) -> Any:
    return run_main(a, short_run(me.seed), Path(me.data) / "deep" / "short")


def uneven(a: Any, me: Me) -> Any:
    """The last batch has one row: rank 1 has none of it."""
    return run_main(a, uneven_run(me.seed), Path(me.data) / "uneven")


def untrained(a: Any, me: Me) -> Any:
    """Neither a seed nor anything else but the number of epochs is said."""
    return run_main(a, Training(epochs=0), Path(me.data) / "untrained")


def resumes(a: Any, me: Me) -> Any:
    """One epoch, then the same folder again with two in all."""
    out, run = Path(me.data) / "resumes", short_run(me.seed)
    first = Training(epochs=1, batch=run.batch, lr=run.lr, seed=run.seed)
    a.main(flags(first, out))
    dist.barrier()
    return run_main(a, run, out)


def again(a: Any, me: Me) -> Any:
    """A folder whose run is finished: nothing is left to train."""
    return run_main(a, short_run(me.seed), Path(me.data) / "resumes")


def disturbed(a: Any, me: Me) -> Any:
    """A weight of rank 1 is moved after the one step of a run, up in one run and down in another."""
    return [
        attempt(lambda by=by: _disturbed(a, me, by, Path(me.data) / f"moved-by-{by}"))
        for by in (MOVED, -MOVED)
    ]


def _disturbed(a: Any, me: Me, by: float, out: Path) -> dict[str, Any]:
    def move(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if me.rank == 1:
            optimizer.param_groups[0]["params"][0].data.view(-1)[7] += by

    handle = register_optimizer_step_post_hook(move)
    try:
        return run_main(a, Training(epochs=1, batch=1437, seed=seed_of(me.seed)), out)
    finally:
        handle.remove()


def alone_after_two(a: Any, me: Me) -> Any:
    """A process that nobody has put into a group goes on from what two ranks have left, to three epochs."""
    dist.destroy_process_group()
    longer = Training(**{**vars(short_run(me.seed)), "epochs": 3})
    return run_main(a, longer, Path(me.data) / "resumes", alone=True)


def dies(a: Any, me: Me) -> Any:
    """Rank 1 is killed with SIGKILL when the third checkpoint has appeared."""
    out = Path(me.data) / "long"
    if me.rank == 1:
        threading.Thread(target=_die_after, args=(out / "checkpoint.pt",), daemon=True).start()
    a.main(flags(whole_run(me.seed), out))
    return "nobody died"


def _die_after(path: Path) -> None:
    seen: set[tuple[int, int]] = set()
    while len(seen) < EPOCHS_BEFORE_DEATH:
        with contextlib.suppress(OSError):
            status = path.stat()
            seen.add((status.st_ino, status.st_mtime_ns))
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)


def second_life(a: Any, me: Me) -> Any:
    return run_main(a, whole_run(me.seed), Path(me.data) / "long")


# ---- jobs -------------------------------------------------------------------------------------------------

SHORT_CASES = (untrained, short, uneven, resumes, again, disturbed)
_short: weakref.WeakKeyDictionary[Any, dict[int, tuple[Outcome, Outcome | None]]] = (
    weakref.WeakKeyDictionary()
)


def short_runs(a: Any, t: Trial) -> tuple[Outcome, Outcome | None]:
    """Short runs on two ranks; then one rank that goes on where they ended, if they got so far."""
    known = _short.setdefault(a, {})
    if t.seed not in known:
        with tempfile.TemporaryDirectory(prefix="short-") as name:
            two = on_ranks(a, t, ["main"], SHORT_CASES, data=name, modules=MODULES, cpu_seconds=12)
            one = None
            if two.of(again):
                one = on_ranks(a, t, ["main"], [alone_after_two], ranks=1, data=name, modules=MODULES)
        known[t.seed] = two, one
    return known[t.seed]


def killed_and_resumed(a: Any, t: Trial) -> tuple[Outcome, Outcome]:
    """A whole run, in two lives."""
    with tempfile.TemporaryDirectory(prefix="long-") as name:
        first = on_ranks(a, t, ["main"], [dies], data=name, modules=MODULES, cpu_seconds=40)
        second = on_ranks(a, t, ["main"], [second_life], data=name, modules=MODULES, cpu_seconds=40)
    return first, second
