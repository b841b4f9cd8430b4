"""A program: train, kill at random moments with SIGKILL, resume, and compare with a run that nobody killed.

``python killed_runs.py FOLDER COUNT`` prints one line of JSON a run. Every run is a fork of this process,
which has imported torch and computed nothing: that saves a start of two seconds each, and nothing is shared
but the code.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # the optimizer would import it in every fork
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from shared.checkpoint import CheckpointStore
from shared.data import Affine, Compose, Loader, Noise, digits, hold_out
from shared.train import (
    CheckpointConfig,
    Hook,
    StoppingConfig,
    TrainConfig,
    Trainer,
    TrainState,
    classification,
)

DATA = digits(flat=False)


class Average(Hook):
    def __init__(self, model: nn.Module) -> None:
        self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.95))

    def stepped(self, state: TrainState) -> None:
        self.averaged.update_parameters(state.model)


def train(folder: Path) -> None:
    """Everything at once: workers, augmentation, dropout, ragged accumulation, float16 with a scaler, a
    schedule, averaged weights, early stopping. The result is written when the run is over."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 10)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    average = Average(model)
    trainer = Trainer(
        model,
        optimizer,
        classification(smoothing=0.05),
        TrainConfig(
            epochs=40,
            accumulate=3,
            precision="fp16",
            log_every=4,
            stopping=StoppingConfig(metric="loss", patience=1, min_delta=0.08),
            checkpoint=CheckpointConfig(folder=folder, every=4, keep=2, resume=True),
        ),
        scheduler=OneCycleLR(optimizer, 3e-2, total_steps=200),
        hooks=[average],
        also={"average": average.averaged},
    )
    assert trainer.state.precision.scaler is not None
    trainer.state.precision.scaler.set_growth_interval(3)  # so that it grows, overflows and skips steps, too
    learned, held = hold_out(DATA.train.take(torch.arange(600)), 150)
    augment = Compose([Affine(degrees=10, shift=1), Noise(0.05)])
    trainer.fit(
        Loader(learned, 32, shuffle=True, transform=augment, workers=2), Loader(held, 64)
    )  # 15 batches
    result = {"weights": model.state_dict(), **trainer.state.state_dict()}
    result["config"] = None  # names the folder
    torch.save(result, folder / "result.unfinished")
    (folder / "result.unfinished").rename(folder / "result.pt")


def fork(work: Callable[[], None]) -> int:
    process = os.fork()
    if process == 0:
        os.setsid()
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return process


def wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def kill_after(process: int, seconds: float) -> bool:
    """Kill the process and nobody else; whether it was still running. Its workers must find out by
    themselves."""
    time.sleep(seconds)
    finished, _ = os.waitpid(process, os.WNOHANG)
    if finished:
        return False
    os.kill(process, signal.SIGKILL)
    wait(process)
    return True


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def main(root: Path, count: int) -> None:
    torch.set_num_threads(1)
    for name in ("unharmed", *(f"run-{number}" for number in range(count))):
        (root / name).mkdir(parents=True)
    start = time.monotonic()
    assert wait(fork(lambda: train(root / "unharmed"))) == 0
    seconds = time.monotonic() - start
    unharmed = torch.load(root / "unharmed" / "result.pt", weights_only=True)
    scale = unharmed["parts"]["scaler"]["scale"]
    print(json.dumps({"seconds": round(seconds, 2), "scale": scale, **unharmed["position"]}), flush=True)

    for number in range(count):
        folder, draw, kills = root / f"run-{number}", random.Random(number), []
        for _ in range(draw.choice([1, 2, 3])):
            if kill_after(fork(lambda folder=folder: train(folder)), draw.uniform(0, seconds)):  # type: ignore[misc]
                kills.append([*CheckpointStore(folder).steps(), *sorted(p.name for p in folder.glob(".*"))])
        status = wait(fork(lambda folder=folder: train(folder)))  # type: ignore[misc]
        resumed = torch.load(folder / "result.pt", weights_only=True) if status == 0 else {}
        print(json.dumps({"run": number, "kills": kills, "equal": equal(resumed, unharmed)}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
