"""Wrong answers to E5, as strangers make them."""

from __future__ import annotations

import torch

from phase2_intermediate.lab5_distributed_training.misconceptions_by_exercise.e5_training import (
    Program,
    program,
)
from phase2_intermediate.lab5_distributed_training.solution import scaling_report as report
from tests.labs.answers import Answers

wrong = Answers()


@wrong("E5")
def returns_the_metrics():
    class Wrong(Program):
        def main(self, argv):
            super().main(argv)
            return self.losses

    return program(Wrong)


@wrong("E5")
def each_rank_its_own_seed():
    class Wrong(Program):
        def flags(self, argv):
            args = super().flags(argv)
            args.seed += torch.distributed.get_rank()
            return args

    return program(Wrong)


@wrong("E5")
def last_batch_left_out():
    class Wrong(Program):
        def batches(self, order):
            return [batch for batch in order.split(self.args.batch) if len(batch) == self.args.batch]

    return program(Wrong)


@wrong("E5")
def never_resumes():
    class Wrong(Program):
        def load(self, path):
            pass

    return program(Wrong)


@wrong("E5")
def losses_are_not_saved():
    class Wrong(Program):
        def state(self):
            return {**super().state(), "losses": [0.0] * 0, "epoch": len(self.losses)}

        def load(self, path):
            super().load(path)
            self.losses = [0.0] * torch.load(path)["epoch"]

    return program(Wrong)


@wrong("E5")
def checkpoint_at_the_end():
    class Wrong(Program):
        def save(self, path):
            if len(self.losses) == self.args.epochs:
                super().save(path)

    return program(Wrong)


@wrong("E5")
def barrier_of_rank_0():
    class Wrong(Program):
        def save(self, path):
            super().save(path)
            if self.rank == 0:
                torch.distributed.barrier()

    return program(Wrong)


@wrong("E5")
def an_epoch_too_many():
    class Wrong(Program):
        def flags(self, argv):
            args = super().flags(argv)
            args.epochs += 1
            return args

    return program(Wrong)


@wrong("E5")
def drift_of_the_rank_that_writes():
    class Wrong(Program):
        def drift(self):
            flat = torch.cat([p.detach().flatten() for p in self.model.parameters()])
            first = flat.clone()
            torch.distributed.broadcast(first, src=0)
            return (flat - first).abs().max().item()

    return program(Wrong)


@wrong("E5")
def every_rank_takes_every_row():
    class Wrong(Program):
        def rows(self, batch):
            return batch

        def loss(self, logits, targets):
            return super().loss(logits, targets) / self.world

        def average(self, count):
            super().average(count / self.world)

    return program(Wrong)


@wrong("E5")
def shares_rounded_down():
    class Wrong(Program):
        def batches(self, order):
            return order.split(self.args.batch // self.world * self.world)

    return program(Wrong)


@wrong("E5")
def a_group_is_expected():
    """Nobody makes one for a process by itself."""

    class Wrong(Program):
        def main(self, argv):
            torch.distributed.get_rank()
            return super().main(argv)

    return program(Wrong)


@wrong("E5")
def ideal_efficiency():
    def scaling_report(runs):
        found = report(runs)
        return {**found, "efficiency": dict.fromkeys(found["efficiency"], 1.0)}

    return {"scaling_report": scaling_report}


@wrong("E5")
def first_run_counts():
    def scaling_report(runs):
        once = {run["world"]: run for run in reversed(runs)}
        return report(list(once.values()))

    return {"scaling_report": scaling_report}
