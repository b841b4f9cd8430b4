"""Right answers to E5, written otherwise than the reference."""

from __future__ import annotations

import json
import os

import numpy as np
import torch
import torch.distributed as dist

from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.e5_training import (
    Program,
    program,
)
from phase2_intermediate.lab5_distributed_training.solution import ring_all_reduce
from tests.labs.answers import Answers

right = Answers()


@right("E5")
def everything_in_methods():
    return program(Program)


@right("E5")
def the_ring_sums():
    class Ring(Program):
        def average(self, count):
            flat = torch.cat(
                [p.grad.flatten() for p in self.model.parameters()] + [torch.tensor([float(count)])]
            )
            ring_all_reduce(flat)
            sizes = [p.numel() for p in self.model.parameters()]
            for p, part in zip(self.model.parameters(), (flat[:-1] / flat[-1]).split(sizes), strict=True):
                p.grad = part.view_as(p)

    return program(Ring)


@right("E5")
def gathered_and_added_in_float64():
    class Gathered(Program):
        def average(self, count):
            counts = [torch.zeros(1) for _ in range(self.world)]
            dist.all_gather(counts, torch.tensor([float(count)]))
            for p in self.model.parameters():
                parts = [torch.empty_like(p.grad) for _ in range(self.world)]
                dist.all_gather(parts, p.grad)
                p.grad = (torch.stack(parts).double().sum(dim=0) / float(sum(counts))).float()

    return program(Gathered)


@right("E5")
def blocks_and_numpy():
    class Blocks(Program):
        def rows(self, batch):
            return batch.tensor_split(self.world)[self.rank]

        def save(self, path):
            if dist.get_rank() == 0:
                torch.save(self.state(), f"{path}.new")
                os.replace(f"{path}.new", path)  # noqa: PTH105

        def report(self, metrics):
            if self.rank == 0:
                with (self.args.out / "metrics.json").open("w") as file:
                    json.dump(metrics, file, indent=1)

    def scaling_report(runs):
        worlds = sorted({run["world"] for run in runs})
        if 1 not in worlds or len(worlds) < 2:
            raise ValueError("one rank and more are needed")
        a = np.array([[1 / run["world"], 1.0] for run in runs])
        (s, o), *_ = np.linalg.lstsq(a, np.array([run["seconds"] for run in runs]), rcond=None)
        mean = {n: float(np.mean([r["seconds"] for r in runs if r["world"] == n])) for n in worlds}
        gain = {n: mean[1] / mean[n] for n in worlds}
        last = gain[worlds[-1]]
        verdict = "no difference"
        if last > 1.1 or last < 0.9:
            verdict = "faster" if last > 1 else "slower"
        return {
            "verdict": verdict,
            "s": float(s),
            "o": float(o),
            "predicted": {n: float(s / n + o) for n in worlds},
            "speedup": gain,
            "efficiency": {n: gain[n] / n for n in worlds},
        }

    return {**program(Blocks), "scaling_report": scaling_report}
