"""What a trainer costs on top of the computation, at steps so small that everything else shows.

    python -m benchmarks.trainer_overhead

Two networks, 32-64-10 ("tiny", the smallest that still is one) and 64-128-128-10 ("small", the size for 8×8
digits), batches of 64, AdamW, one thread. All contenders take the same batches from the same
list and are measured in turn, in a new order each round; each round gives one ratio to its own bare loop,
and the table has their medians. CPU seconds are counted while the batches 100 to 1,100 are fetched, so
start-up is not in them.

"the same work" is what one cannot do without in earnest: clip the gradient's norm, and step a schedule.
"everything" adds what our trainer does besides: float32 by policy, a NaN guard, a history, a bar, a hook, a
checkpoint, an averaged count of targets.

The claim is made for the small network. For the tiny one it is printed as well.
"""

import contextlib
import io
import itertools
import logging
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from benchmarks._claim import verdict

WARM, STEPS, ROUNDS = 100, 1000, 9
NETWORKS = {"tiny": (32, 64, 10), "small": (64, 128, 128, 10)}
TARGET = 1.15


class Batches:
    """The same list for everybody, and a clock that looks when a batch is fetched."""

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = widths
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(WARM + STEPS + 1, 64, widths[0], generator=generator)
        targets = torch.randint(0, widths[-1], (WARM + STEPS + 1, 64), generator=generator)
        self.batches = list(zip(inputs, targets, strict=True))
        self.seconds = 0.0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from self.batches[:WARM]
        start = time.process_time()
        yield from self.batches[WARM:-1]
        self.seconds = time.process_time() - start
        yield self.batches[-1]  # some loops never ask for the end


def network(widths: Sequence[int]) -> tuple[nn.Module, torch.optim.AdamW]:
    torch.manual_seed(0)
    pairs = list(itertools.pairwise(widths))
    hidden = [layer for pair in pairs[:-1] for layer in (nn.Linear(*pair), nn.ReLU())]
    model = nn.Sequential(*hidden, nn.Linear(*pairs[-1]))
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


def falling(step: int) -> float:
    return 1 - step / (2 * (WARM + STEPS))


def bare_loop(batches: Batches) -> None:
    model, optimizer = network(batches.widths)
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()


def bare_loop_same_work(batches: Batches) -> None:
    model, optimizer = network(batches.widths)
    schedule = LambdaLR(optimizer, falling)
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def ours(batches: Batches, *, everything: bool) -> None:
    from shared.optim.schedule import Schedule
    from shared.train import (
        CheckpointConfig,
        Hook,
        StoppingConfig,
        Supervised,
        TrainConfig,
        Trainer,
        TrainState,
    )

    class Counting(Hook):
        steps = 0

        def stepped(self, state: TrainState) -> None:
            self.steps += 1

    model, optimizer = network(batches.widths)
    task = Supervised(partial(F.cross_entropy, reduction="sum"))
    if not everything:
        Trainer(model, optimizer, task, TrainConfig(epochs=1, clip_norm=None, progress=False)).fit(batches)
        return
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(
            epochs=1,
            clip_norm=1.0,
            log_every=50,
            stopping=StoppingConfig(patience=3),
            checkpoint=CheckpointConfig(folder=Path(folder), every=(WARM + STEPS) // 2 + 1),
        )
        schedule = Schedule(optimizer, falling)
        trainer = Trainer(model, optimizer, task, config, scheduler=schedule, hooks=[Counting()])
        trainer.fit(batches, batches.batches[:1])


def fabric(batches: Batches, *, same_work: bool) -> None:
    from lightning.fabric import Fabric

    engine = Fabric(accelerator="cpu", devices=1)
    model, optimizer = engine.setup(*network(batches.widths))
    schedule = LambdaLR(optimizer.optimizer, falling)
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        engine.backward(loss)
        if same_work:
            engine.clip_gradients(model, optimizer, max_norm=1.0)
        optimizer.step()
        if same_work:
            schedule.step()


def accelerate(batches: Batches) -> None:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model, optimizer = network(batches.widths)
    model, optimizer, schedule = accelerator.prepare(model, optimizer, LambdaLR(optimizer, falling))
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def ignite(batches: Batches) -> None:
    from ignite.engine import Engine

    model, optimizer = network(batches.widths)
    schedule = LambdaLR(optimizer, falling)

    def step(engine: Any, batch: tuple[Tensor, Tensor]) -> Tensor:
        inputs, targets = batch
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        return loss

    Engine(step).run(batches, max_epochs=1)


def lightning(batches: Batches, *, everything: bool) -> None:
    from lightning.pytorch import LightningModule, Trainer

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.optimizer = network(batches.widths)

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            inputs, targets = batch
            loss = F.cross_entropy(self.model(inputs), targets)
            if everything:
                self.log("loss", loss, prog_bar=True)
            return loss

        def configure_optimizers(self) -> dict[str, Any]:
            schedule = {"scheduler": LambdaLR(self.optimizer, falling), "interval": "step"}
            return {"optimizer": self.optimizer, "lr_scheduler": schedule}

    Trainer(
        accelerator="cpu",
        max_epochs=1,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=everything,
    ).fit(Module(), batches)


OURS, BARE, FABRIC = "ours, everything", "bare loop", "Fabric, the same work"
CONTENDERS: dict[str, Callable[[Batches], None]] = {
    BARE: bare_loop,
    "bare loop, the same work": bare_loop_same_work,
    "ours, nothing switched on": partial(ours, everything=False),
    OURS: partial(ours, everything=True),
    "Fabric, bare": partial(fabric, same_work=False),
    FABRIC: partial(fabric, same_work=True),
    "ignite, the same work": ignite,
    "Accelerate, the same work": accelerate,
    "Lightning, the same work": partial(lightning, everything=False),
    "Lightning, with log and bar": partial(lightning, everything=True),
}


class Terminal(io.StringIO):
    """Takes what a bar draws: it is drawn as on a terminal, and nobody has to look at it."""

    def isatty(self) -> bool:
        return True


def seconds(contender: Callable[[Batches], None], widths: Sequence[int]) -> float:
    batches = Batches(widths)
    with contextlib.redirect_stderr(Terminal()), contextlib.redirect_stdout(Terminal()):
        contender(batches)
    return batches.seconds


def measure(widths: Sequence[int]) -> dict[str, list[float]]:
    """CPU seconds of each contender in each round."""
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    order, draw = list(CONTENDERS), random.Random(0)
    for number in range(ROUNDS + 1):
        draw.shuffle(order)
        for name in order:
            spent = seconds(CONTENDERS[name], widths)
            if number:  # the first round warms up
                times[name].append(spent)
    return times


def main() -> int:
    """Measure, print, and say whether the claims hold."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    holds = []
    for size, widths in NETWORKS.items():
        times = measure(widths)

        def ratio(name: str, base: str, times: dict[str, list[float]] = times) -> float:
            return statistics.median(one / other for one, other in zip(times[name], times[base], strict=True))

        print(f"{size + ' network, ' + '-'.join(map(str, widths)):28} {'µs a step':>9} {'ratio':>6}")
        for name, spent in times.items():
            print(f"{name:28} {statistics.median(spent) / STEPS * 1e6:9.1f} {ratio(name, BARE):6.2f}")
        holds += [
            verdict(f"trainer_overhead_{size}", ratio(OURS, BARE), TARGET, at_least=False),
            verdict(f"trainer_overhead_{size}_beside_fabric", ratio(OURS, FABRIC), 1.0, at_least=False),
        ]
    return max(holds[2:])


if __name__ == "__main__":
    sys.exit(main())
