"""Two ranks with ragged batches and accumulation end where one process with one big batch a step ends."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from shared.distributed import launch

IGNORED = -100
STEPS = 3
CLIP = 0.5  # below the norms that occur
LR = 0.05

Batch = tuple[Tensor, Tensor]


def small_model() -> nn.Module:
    from shared.models import build

    torch.manual_seed(0)
    config = {"vocabulary": 11, "d_model": 8, "heads": 2, "layers": 2, "positions": "rotary"}
    return build("transformer_decoder", config).double()


def micro_batches(step: int) -> list[list[Batch]]:
    """[rank][micro-batch] of one step: lengths, sizes and numbers of valid targets all differ.

    In one of them nothing is valid. The last step's windows are shorter.
    """
    generator = torch.Generator().manual_seed(step)

    def draw(size: int, length: int, share: float) -> Batch:
        tokens = torch.randint(11, (size, length), generator=generator)
        targets = torch.randint(11, (size, length), generator=generator)
        unseen = torch.rand(size, length, generator=generator) >= share
        return tokens, targets.masked_fill(unseen, IGNORED)

    window = [[draw(4, 9, 0.9), draw(1, 3, 0.4)], [draw(2, 5, 0.0), draw(3, 7, 0.2)]]
    return [batches[:1] for batches in window] if step == STEPS - 1 else window


def valid_batches() -> list[list[Batch]]:
    return micro_batches(step=100)


def train_on_a_rank(strategies: tuple[str, ...]) -> dict[str, Any]:
    from torch.distributed.fsdp import FSDPModule

    from shared.distributed import AllRanks, distribute, rank
    from shared.nn import TransformerLayer
    from shared.train import TrainConfig, Trainer, classification

    found = {}
    for strategy in strategies:
        model = distribute(small_model(), strategy, blocks=TransformerLayer)  # type: ignore[arg-type]
        assert isinstance(model, FSDPModule) == (strategy == "fsdp2")
        optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
        config = TrainConfig(epochs=1, accumulate=2, clip_norm=CLIP, log_every=1, device="cpu")
        trainer = Trainer(model, optimizer, classification(ignore=IGNORED), config, ranks=AllRanks())
        mine = [batch for step in range(STEPS) for batch in micro_batches(step)[rank()]]
        history = trainer.fit(mine, valid_batches()[rank()])
        found[strategy] = {
            "weights": {name.removeprefix("module."): whole(p) for name, p in model.named_parameters()},
            "steps": history.steps,
            "evaluation": history.evaluations[-1],
        }
    return found


def whole(parameter: Tensor) -> Tensor:
    """The parameter as every rank together has it."""
    gathered: Tensor = parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter
    return gathered.detach()


def big_batch(window: list[list[Batch]]) -> Batch:
    """All micro-batches of all ranks as one, padded to the longest."""
    batches = [batch for rank in window for batch in rank]
    length = max(tokens.shape[1] for tokens, _ in batches)
    tokens = [F.pad(tokens, (0, length - tokens.shape[1])) for tokens, _ in batches]
    targets = [F.pad(targets, (0, length - targets.shape[1]), value=IGNORED) for _, targets in batches]
    return torch.cat(tokens), torch.cat(targets)


@pytest.fixture(scope="module")
def two_ranks() -> list[dict[str, Any]]:
    return launch(train_on_a_rank, ("ddp", "fsdp2"), ranks=2, timeout=200)


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    """The oracle, in torch's own words."""
    model = small_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    steps = []
    for step in range(STEPS):
        tokens, targets = big_batch(micro_batches(step))
        loss = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
        optimizer.zero_grad()
        loss.backward()
        grads = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        norm = torch.cat([grad.flatten() for grad in grads]).norm()
        for grad in grads:  # torch's own clipping divides by the norm + 1e-6, and that would show here
            grad.mul_(CLIP / norm)
        optimizer.step()
        steps.append({"loss": loss.item(), "grad_norm": norm.item()})
    tokens, targets = big_batch(valid_batches())
    logits, counted = model(tokens).detach(), targets != IGNORED
    evaluation = {
        "loss": F.cross_entropy(logits[counted], targets[counted]).item(),
        "accuracy": (logits.argmax(-1) == targets)[counted].double().mean().item(),
    }
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}
    return {"weights": weights, "steps": steps, "evaluation": evaluation}


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_the_weights_are_those_of_one_process_with_big_batches(
    two_ranks: list[dict[str, Any]], alone: dict[str, Any], strategy: str
) -> None:
    for found in two_ranks:
        assert found[strategy]["weights"].keys() == alone["weights"].keys()
        for name, weight in alone["weights"].items():
            torch.testing.assert_close(found[strategy]["weights"][name], weight, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_every_rank_records_the_losses_and_norms_of_all(
    two_ranks: list[dict[str, Any]], alone: dict[str, Any], strategy: str
) -> None:
    assert all(step["grad_norm"] > CLIP for step in alone["steps"]), "clipping is part of this test"
    for found in two_ranks:
        for record, expected in zip(found[strategy]["steps"], alone["steps"], strict=True):
            assert record["loss"] == pytest.approx(expected["loss"], rel=1e-9)
            assert record["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-9)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_every_rank_evaluates_what_all_have(
    two_ranks: list[dict[str, Any]], alone: dict[str, Any], strategy: str
) -> None:
    for found in two_ranks:
        for name, value in alone["evaluation"].items():
            assert found[strategy]["evaluation"][name] == pytest.approx(value, rel=1e-9)


class Reductions(TorchDispatchMode):
    """Counts what FSDP2 exchanges; DDP reduces out of sight of it."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += "reduce_scatter" in str(func)
        return func(*args, **(kwargs or {}))


def exchanges_in_a_window() -> dict[str, int]:
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

    from shared.distributed import AllRanks, distribute
    from shared.train import Precision, classification, train_step

    def counted(seen, bucket):  # type: ignore[no-untyped-def]  # DDP asks for its own annotations or none
        seen.append(1)
        return allreduce_hook(None, bucket)

    found = {}
    for strategy in ("ddp", "fsdp2"):
        model = distribute(nn.Linear(8, 3), strategy)  # type: ignore[arg-type]
        buckets: list[int] = []
        if strategy == "ddp":
            model.register_comm_hook(buckets, counted)  # type: ignore[operator]
        parameters = list(model.parameters())
        with Reductions() as reductions:
            train_step(
                model,
                torch.optim.SGD(parameters, lr=0.1),
                classification(),
                [(torch.randn(2, 8), torch.tensor([0, 2]))] * 3,
                parameters=parameters,
                precision=Precision("fp32", torch.device("cpu")),
                ranks=AllRanks(),
            )
        found[strategy] = len(buckets) + reductions.count
    return found


def test_gradients_are_exchanged_once_a_window() -> None:
    assert launch(exchanges_in_a_window, ranks=2, timeout=120) == [{"ddp": 1, "fsdp2": 1}] * 2
