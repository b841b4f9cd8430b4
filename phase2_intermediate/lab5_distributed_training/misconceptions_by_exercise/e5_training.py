"""Wrong answers to E5: one program, with one mistake at a time."""

import argparse
import json
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F

from courseware.check import misconception
from phase2_intermediate.lab5_distributed_training.solution import build_model, global_metric
from shared.data import digits
from shared.distributed import process_group


class Program:
    """A sound program; the mistakes override a method."""

    def flags(self, argv):
        parser = argparse.ArgumentParser()
        parser.add_argument("--out", type=Path)
        for name, default in (("epochs", 10), ("batch", 64), ("lr", 0.1), ("seed", 0)):
            parser.add_argument(f"--{name}", type=type(default), default=default)
        return parser.parse_args(argv)

    def order(self, n, epoch):
        return torch.randperm(n, generator=torch.Generator().manual_seed(self.args.seed + epoch))

    def batches(self, order):
        return order.split(self.args.batch)

    def rows(self, batch):
        return batch[self.rank :: self.world]

    def loss(self, logits, targets):
        return F.cross_entropy(logits, targets, reduction="sum")

    def average(self, count):
        total = torch.tensor(float(count))
        dist.all_reduce(total)
        for p in self.model.parameters():
            dist.all_reduce(p.grad)
            p.grad /= total

    def state(self):
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": self.losses,
        }

    def save(self, path):
        if self.rank == 0:
            part = path.with_name("part")
            torch.save(self.state(), part)
            part.replace(path)

    def load(self, path):
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.losses = state["losses"]

    def accuracy(self, test):
        with torch.no_grad():
            return (self.model(test.inputs).argmax(dim=1) == test.targets).double().mean().item()

    def drift(self):
        flat = torch.cat([p.detach().flatten() for p in self.model.parameters()])
        most, least = flat.clone(), flat.clone()
        dist.all_reduce(most, op=dist.ReduceOp.MAX)
        dist.all_reduce(least, op=dist.ReduceOp.MIN)
        return (most - least).max().item()

    def report(self, metrics):
        if self.rank == 0:
            (self.args.out / "metrics.json").write_text(json.dumps(metrics))

    def main(self, argv):
        self.args = self.flags(argv)
        with process_group():
            self.rank, self.world = dist.get_rank(), dist.get_world_size()
            data = digits(flat=True)
            train, test = data.train, data.test
            self.args.out.mkdir(parents=True, exist_ok=True)
            torch.manual_seed(self.args.seed)
            self.model, self.losses = build_model(), []
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=self.args.lr, momentum=0.9)
            path = self.args.out / "checkpoint.pt"
            if path.exists():
                self.load(path)
            found = len(self.losses)
            dist.barrier()
            for epoch in range(found, self.args.epochs):
                total = torch.zeros(())
                for batch in self.batches(self.order(len(train.inputs), epoch)):
                    rows = self.rows(batch)
                    self.optimizer.zero_grad()
                    loss = self.loss(self.model(train.inputs[rows]), train.targets[rows])
                    loss.backward()
                    self.average(len(rows))
                    self.optimizer.step()
                    total += loss.detach()
                self.losses.append(global_metric(total, torch.tensor(1437 / self.world)))
                self.save(path)
            metrics = {
                "world": self.world, "epochs": self.args.epochs, "resumed_from": found, "losses": self.losses,
                "accuracy": self.accuracy(test), "drift": self.drift(),
            }  # fmt: skip
            self.report(metrics)
            dist.barrier()
        return self.model


def program(kind=Program):
    def main(argv):
        return kind().main(argv)

    return {"main": main}


@misconception("E5", diagnosis="every-rank-writes")
def everybody_saves():
    class Wrong(Program):
        def save(self, path):
            part = path.with_name(f"part-{self.rank}")
            torch.save(self.state(), part)
            part.replace(path)

    return program(Wrong)


@misconception("E5", diagnosis="rank-0-alone-in-a-collective")
def collective_on_rank_0():
    class Wrong(Program):
        def drift(self):
            return super().drift() if self.rank == 0 else 0.0

    return program(Wrong)


@misconception("E5", diagnosis="each-rank-its-own-batch")
def batch_grows_with_the_ranks():
    class Wrong(Program):
        def batches(self, order):
            return order.split(self.args.batch * self.world)

    return program(Wrong)


@misconception("E5", diagnosis="accuracy-of-one-shard")
def tests_its_shard():
    class Wrong(Program):
        def accuracy(self, test):
            mine = slice(self.rank, None, self.world)
            with torch.no_grad():
                return (
                    (self.model(test.inputs[mine]).argmax(dim=1) == test.targets[mine]).double().mean().item()
                )

    return program(Wrong)


@misconception("E5", diagnosis="same-order-every-epoch")
def no_epoch_in_the_seed():
    class Wrong(Program):
        def order(self, n, epoch):
            return super().order(n, 0)

    return program(Wrong)


@misconception("E5", diagnosis="shards-weigh-the-same")
def mean_of_means():
    class Wrong(Program):
        def loss(self, logits, targets):
            return F.cross_entropy(logits, targets)

        def average(self, count):
            for p in self.model.parameters():
                dist.all_reduce(p.grad)
                p.grad /= self.world

        def rows(self, batch):
            return batch[self.rank :: self.world]

    return program(Wrong)


@misconception("E5", diagnosis="gradients-are-added")
def sum_of_means():
    class Wrong(Program):
        def average(self, count):
            super().average(count)
            for p in self.model.parameters():
                p.grad *= self.world

    return program(Wrong)


@misconception("E5", diagnosis="ranks-drift-apart")
def gradients_stay_home():
    class Wrong(Program):
        def average(self, count):
            for p in self.model.parameters():
                p.grad /= max(count, 1)

    return program(Wrong)


@misconception("E5", diagnosis="does-not-go-on")
def momentum_is_not_saved():
    class Wrong(Program):
        def load(self, path):
            state = torch.load(path, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.losses = state["losses"]

    return program(Wrong)


@misconception("E5", diagnosis="checkpoint-half-written")
def saves_in_place():
    class Wrong(Program):
        def save(self, path):
            if self.rank == 0:
                torch.save(self.state(), path)

    return program(Wrong)


@misconception("E5", diagnosis="verdict-is-not-honest")
def always_faster():
    from phase2_intermediate.lab5_distributed_training.solution import scaling_report as right

    def scaling_report(runs):
        return {**right(runs), "verdict": "faster"}

    return {"scaling_report": scaling_report}


@misconception("E5", diagnosis="speedup-is-another")
def speedup_of_the_fit():
    from phase2_intermediate.lab5_distributed_training.solution import scaling_report as right

    def scaling_report(runs):
        report = right(runs)
        found = {n: report["predicted"][1] / seconds for n, seconds in report["predicted"].items()}
        return {**report, "speedup": found, "efficiency": {n: gain / n for n, gain in found.items()}}

    return {"scaling_report": scaling_report}
