"""One step equals one step on all the window's targets at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.train import Precision, classification, train_step

IGNORED = -100
CPU = Precision("fp32", torch.device("cpu"))


def model_of(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).to(dtype)


def ragged_batches(dtype: torch.dtype = torch.float64) -> list[tuple[Tensor, Tensor]]:
    """Sequences of very different numbers of valid targets; one batch has none."""
    generator = torch.Generator().manual_seed(1)
    batches = []
    for size, valid in [(4, 30), (2, 1), (1, 0), (3, 9)]:
        targets = torch.full((size * 8,), IGNORED)
        targets[torch.randperm(size * 8, generator=generator)[:valid]] = torch.randint(
            0, 3, (valid,), generator=generator
        )
        inputs = torch.randn(size, 8, 5, generator=generator, dtype=dtype)
        batches.append((inputs, targets.view(size, 8)))
    return batches


def gradient_of_the_whole(model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """The oracle: one batch that holds everything, torch's own mean."""
    inputs = torch.cat([inputs.flatten(0, -2) for inputs, _ in batches])
    targets = torch.cat([targets.flatten() for _, targets in batches])
    model.zero_grad()
    F.cross_entropy(model(inputs), targets, ignore_index=IGNORED).backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def gradient_of_a_step(model: nn.Module, window: list[tuple[Tensor, Tensor]], **more: object) -> list[Tensor]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    options = {"parameters": list(model.parameters()), "precision": CPU, **more}
    train_step(model, optimizer, classification(ignore=IGNORED), window, **options)  # type: ignore[arg-type]
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("cuts", [[0, 4], [0, 1, 4], [0, 1, 2, 3, 4]])
def test_an_accumulated_gradient_equals_that_of_one_big_batch(cuts: list[int]) -> None:
    model, batches = model_of(), ragged_batches()
    window = [
        (torch.cat([b[0] for b in batches[start:end]]), torch.cat([b[1] for b in batches[start:end]]))
        for start, end in pairwise(cuts)
    ]
    torch.testing.assert_close(
        gradient_of_a_step(model, window), gradient_of_the_whole(model, batches), rtol=1e-12, atol=1e-14
    )


def test_a_mean_of_means_would_have_failed_here() -> None:
    """The bug that trainers had until 2024: these batches can tell it."""
    model, batches = model_of(), ragged_batches()
    expected = gradient_of_the_whole(model, batches)
    model.zero_grad()
    counted = [batch for batch in batches if (batch[1] != IGNORED).any()]
    for inputs, targets in counted:
        mean = F.cross_entropy(model(inputs).flatten(0, -2), targets.flatten(), ignore_index=IGNORED)
        (mean / len(counted)).backward()
    wrong = torch.cat(
        [parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None]
    )
    right = torch.cat([each.flatten() for each in expected])
    assert (wrong - right).norm() > 0.2 * right.norm()


def test_the_result_has_the_sum_and_the_count_of_the_whole_window() -> None:
    model, batches = model_of(), ragged_batches()
    inputs = torch.cat([inputs.flatten(0, -2) for inputs, _ in batches])
    targets = torch.cat([targets.flatten() for _, targets in batches])
    expected = F.cross_entropy(model(inputs), targets, ignore_index=IGNORED, reduction="sum")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    result = train_step(
        model,
        optimizer,
        classification(ignore=IGNORED),
        batches,
        parameters=list(model.parameters()),
        precision=CPU,
    )
    torch.testing.assert_close(result.loss_sum, expected, rtol=1e-12, atol=0)
    assert not result.loss_sum.requires_grad
    assert int(result.targets) == 40
    assert result.grad_norm is None


def test_a_window_without_valid_targets_has_gradient_zero() -> None:
    model = model_of()
    grads = gradient_of_a_step(model, [ragged_batches()[2]])
    assert len(grads) == 4
    assert all(not grad.any() for grad in grads)


def test_gradients_of_the_step_before_are_forgotten() -> None:
    model, batches = model_of(), ragged_batches()
    gradient_of_a_step(model, batches)
    torch.testing.assert_close(
        gradient_of_a_step(model, batches[:1]),
        gradient_of_the_whole(model, batches[:1]),
        rtol=1e-12,
        atol=1e-14,
    )


def test_a_loss_that_is_no_single_number_is_refused_with_its_shape() -> None:
    class Each:
        def count(self, batch: Tensor) -> int:
            return len(batch)

        def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
            return model(batch).sum(-1)

        def measure(self, model: nn.Module, batch: Tensor) -> dict[str, Tensor]:
            return {}

    model = model_of()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    window = [torch.zeros(6, 5, dtype=torch.float64)]
    with pytest.raises(ValueError, match=r"one number, the sum, but it has shape \(6,\)"):
        train_step(model, optimizer, Each(), window, parameters=list(model.parameters()), precision=CPU)


def test_a_step_never_waits_for_the_device() -> None:
    """Tensors on the meta device have no values: whatever reads one fails."""
    meta = torch.device("meta")
    model = model_of().to(meta)
    window = [(inputs.to(meta), targets.to(meta)) for inputs, targets in ragged_batches()]
    result = train_step(
        model,
        torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, foreach=True),
        classification(ignore=IGNORED),
        window,
        parameters=list(model.parameters()),
        precision=Precision("fp32", meta),
        clip_norm=1.0,
    )
    assert isinstance(result.grad_norm, Tensor)
    assert result.loss_sum.is_meta


def test_clipping_sees_the_mean_gradient() -> None:
    model, batches = model_of(), ragged_batches()
    expected = gradient_of_the_whole(model, batches)
    length = torch.cat([each.flatten() for each in expected]).norm().item()
    bound = length / 3
    clipped = gradient_of_a_step(model, batches, clip_norm=bound)
    torch.testing.assert_close(clipped, [each / 3 for each in expected], rtol=1e-12, atol=1e-14)


class TwoRanks:
    """One of two ranks; what the other one has is known beforehand."""

    size = 2

    def __init__(self, rank: int, total: int) -> None:
        self.rank, self.total = rank, total
        self.exchanged: list[bool] = []

    def sum(self, value: Tensor) -> Tensor:
        return torch.full_like(value, self.total)

    @contextmanager
    def synchronise(self, model: nn.Module, last: bool) -> Iterator[None]:
        self.exchanged.append(last)
        yield


def test_the_average_over_ranks_equals_one_process_with_all_batches() -> None:
    model, batches = model_of(), ragged_batches()
    total = sum(int((targets != IGNORED).sum()) for _, targets in batches)
    shares = [batches[:1], batches[1:]]
    ranks = [TwoRanks(rank, total) for rank in range(2)]
    grads = [gradient_of_a_step(model, share, ranks=rank) for share, rank in zip(shares, ranks, strict=True)]
    averaged = [(one + other) / 2 for one, other in zip(*grads, strict=True)]
    torch.testing.assert_close(averaged, gradient_of_the_whole(model, batches), rtol=1e-12, atol=1e-14)
    assert [rank.exchanged for rank in ranks] == [[True], [False, False, True]]


def test_float16_with_a_scaler_finds_gradients_that_float16_alone_loses() -> None:
    model, batches = model_of(torch.float32), ragged_batches(torch.float32)
    grads = {}
    for scaled in (True, False):
        precision = Precision("fp16", torch.device("cpu"))
        if not scaled:
            precision.scaler = None
        many = TwoRanks(
            0, total=10**8
        )  # so many targets that each one's gradient is below float16's smallest
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        options = {"parameters": list(model.parameters()), "precision": precision, "ranks": many}
        train_step(model, optimizer, classification(ignore=IGNORED), batches, **options)  # type: ignore[arg-type]
        grads[scaled] = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    expected = torch.cat([each.flatten() for each in gradient_of_the_whole(model, batches)]) * 40 * 2 / 10**8
    assert (grads[True] - expected).norm() < 0.01 * expected.norm()
    assert (grads[False] - expected).norm() > 0.5 * expected.norm()


def test_an_overflow_leaves_the_step_out_and_lowers_the_scale() -> None:
    model, batches = model_of(torch.float32), ragged_batches(torch.float32)
    precision = Precision("fp16", torch.device("cpu"))
    assert precision.scaler is not None
    precision.scaler.scale(torch.zeros(()))
    precision.scaler.update(2.0**40)
    before = [parameter.clone() for parameter in model.parameters()]
    train_step(
        model,
        torch.optim.SGD(model.parameters(), lr=0.1),
        classification(ignore=IGNORED),
        batches,
        parameters=list(model.parameters()),
        precision=precision,
        clip_norm=1.0,
    )
    assert all(map(torch.equal, before, model.parameters()))
    assert precision.scaler.get_scale() == 2.0**39
