"""Our own optimizers against their formulas in numpy, and the factory against torch."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from shared.models import build
from shared.optim import AdaBelief, Joined, Lion, OptimizerConfig, decay_groups, make_optimizer


def gradients(steps: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(steps, 5)) * np.array([1e-4, 1.0, 1e3, 1.0, 0.0])


def lion_by_formula(theta: np.ndarray, lr: float, decay: float, betas: tuple[float, float]) -> np.ndarray:
    m = np.zeros_like(theta)
    for g in gradients(30):
        u = np.sign(betas[0] * m + (1 - betas[0]) * g)
        theta = theta - lr * (u + decay * theta)
        m = betas[1] * m + (1 - betas[1]) * g
    return theta


def adabelief_by_formula(
    theta: np.ndarray, lr: float, decay: float, betas: tuple[float, float]
) -> np.ndarray:
    m, s, eps = np.zeros_like(theta), np.zeros_like(theta), 1e-8
    for t, g in enumerate(gradients(30), start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        s = betas[1] * s + (1 - betas[1]) * (g - m) ** 2 + eps
        theta = (1 - lr * decay) * theta
        theta = theta - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(s / (1 - betas[1] ** t)) + eps)
    return theta


OWN = {Lion: lion_by_formula, AdaBelief: adabelief_by_formula}


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("betas", [(0.9, 0.99), (0.95, 0.9), (0.0, 0.5)])
def test_our_optimizer_is_its_formula(kind, decay: float, betas: tuple[float, float]) -> None:
    start = np.arange(5.0) - 2
    theta = torch.tensor(start, requires_grad=True)
    optimizer = kind([theta], lr=0.01, betas=betas, weight_decay=decay)
    for g in gradients(30):
        theta.grad = torch.tensor(g)
        optimizer.step()
    expected = OWN[kind](start, 0.01, decay, betas)
    np.testing.assert_allclose(theta.detach().numpy(), expected, rtol=1e-10, atol=1e-12)


def test_lion_moves_every_weight_by_the_learning_rate() -> None:
    theta = torch.zeros(4, requires_grad=True)
    optimizer = Lion([theta], lr=0.1)
    theta.grad = torch.tensor([1e-20, -3.0, 1e20, 0.0])
    optimizer.step()
    torch.testing.assert_close(theta.detach(), torch.tensor([-0.1, 0.1, -0.1, 0.0]))


def test_adabelief_outruns_adam_on_an_even_slope() -> None:
    moved = {}
    for kind in (AdaBelief, torch.optim.Adam):
        theta = torch.zeros(1, requires_grad=True)
        optimizer = kind([theta], lr=1e-3)
        for _ in range(300):
            theta.grad = torch.ones(1)
            optimizer.step()
        moved[kind] = -theta.item()
    assert moved[torch.optim.Adam] == pytest.approx(0.3, rel=1e-3)
    assert moved[AdaBelief] > 2 * moved[torch.optim.Adam]


@pytest.mark.parametrize("kind", OWN)
def test_a_parameter_without_a_gradient_keeps_its_value_and_gets_no_state(kind) -> None:
    frozen, live = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = kind([frozen, live], weight_decay=0.1)
    live.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(frozen, torch.ones(2))
    assert frozen not in optimizer.state


@pytest.mark.parametrize("kind", OWN)
def test_extreme_gradients_leave_finite_weights(kind) -> None:
    for size in (0.0, 1e-30, 1e18):
        theta = torch.ones(3, requires_grad=True)
        optimizer = kind([theta])
        for _ in range(3):
            theta.grad = torch.full((3,), size)
            optimizer.step()
        assert theta.isfinite().all()


@pytest.mark.parametrize("kind", OWN)
def test_a_closure_is_evaluated_and_its_loss_returned(kind) -> None:
    theta = torch.tensor([3.0], requires_grad=True)
    optimizer = kind([theta], lr=0.1)

    def closure() -> float:
        optimizer.zero_grad()
        loss = theta.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 9.0
    assert theta.item() < 3.0


def toy(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build("transformer_encoder", {"vocabulary": 11, "d_model": 16, "layers": 1, "classes": 3}).double()


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, start: int = 0) -> list[float]:
    losses = []
    for step in range(start, start + steps):
        tokens = torch.randint(1, 11, (16, 5), generator=torch.Generator().manual_seed(step))
        loss = nn.functional.cross_entropy(model(tokens), (tokens < 6).sum(1) // 2)  # 0, 1 or 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


NAMES: dict[str, dict[str, Any]] = {
    "adam": {"lr": 3e-3},
    "adamw": {"lr": 3e-3, "betas": (0.8, 0.95)},
    "sgd": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "rmsprop": {"lr": 1e-3, "alpha": 0.9},
    "adagrad": {"lr": 0.05},
    "muon": {"lr": 3e-3, "momentum": 0.9},
    "lion": {"lr": 1e-3},
    "adabelief": {"lr": 3e-3},
}
TWINS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_learns(name) -> None:
    model = toy()
    losses = train(model, make_optimizer(model, OptimizerConfig(name, **NAMES[name])), 80)
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


@pytest.mark.parametrize("name", TWINS)
def test_the_factory_builds_torchs_with_the_given_options(name) -> None:
    ours, theirs = toy(), toy()
    optimizer = make_optimizer(ours, OptimizerConfig(name, weight_decay=0.0, **NAMES[name]))
    twin = TWINS[name](theirs.parameters(), weight_decay=0.0, **NAMES[name])
    assert type(optimizer) is type(twin)
    train(ours, optimizer, 5)
    train(theirs, twin, 5)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_resumed_from_saved_state_is_bit_identical(name, tmp_path) -> None:
    config = OptimizerConfig(name, **NAMES[name])
    model = toy()
    optimizer = make_optimizer(model, config)
    train(model, optimizer, 4)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "run.pt")
    saved = torch.load(tmp_path / "run.pt", weights_only=True)
    train(model, optimizer, 4, start=4)
    resumed = toy(seed=1)
    again = make_optimizer(resumed, config)
    resumed.load_state_dict(saved["model"])
    again.load_state_dict(saved["optimizer"])
    train(resumed, again, 4, start=4)
    for a, b in zip(model.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_muon_moves_inner_matrices_and_adamw_the_rest() -> None:
    model = toy()
    reference = copy.deepcopy(model)
    optimizer = make_optimizer(model, OptimizerConfig("muon", lr=1e-2, weight_decay=0.1))
    train(model, optimizer, 1)
    moved_by_muon = {name for name, p in model.named_parameters() if "momentum_buffer" in optimizer.state[p]}
    inner = {
        n for n, p in reference.named_parameters() if p.ndim == 2 and "table" not in n and "leave" not in n
    }
    assert moved_by_muon == inner
    parameters = dict(reference.named_parameters())
    muon = torch.optim.Muon(
        [parameters[n] for n in parameters if n in inner], 1e-2, 0.1, adjust_lr_fn="match_rms_adamw"
    )
    spared = [p for n, p in parameters.items() if n not in inner and n != "leave.weight"]
    adamw = torch.optim.AdamW(
        [
            {"params": [parameters["leave.weight"]], "weight_decay": 0.1},
            {"params": spared, "weight_decay": 0.0},
        ],
        1e-2,
    )
    train(reference, Joined([muon, adamw]), 1)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter, parameters[name])


def test_muon_leaves_frozen_matrices_alone() -> None:
    model = toy()
    frozen = model.stack.layers[0].attention.query.weight.requires_grad_(False)
    optimizer = make_optimizer(model, OptimizerConfig("muon"))
    assert not any(p is frozen for group in optimizer.param_groups for p in group["params"])


def test_joined_optimizers_obey_one_learning_rate_schedule() -> None:
    model = toy()
    optimizer = make_optimizer(model, OptimizerConfig("muon"))
    for group in optimizer.param_groups:
        group["lr"] = 0.0
        group["weight_decay"] = 0.0
    before = copy.deepcopy(model.state_dict())
    train(model, optimizer, 2)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_parameter_in_two_joined_optimizers_is_refused() -> None:
    theta = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="more than one parameter group"):
        Joined([torch.optim.SGD([theta]), torch.optim.Adam([theta])])


def test_only_matrices_decay() -> None:
    model = toy()
    decayed, spared = decay_groups(model, 0.3)
    names = {id(p): name for name, p in model.named_parameters()}
    assert all(names[id(p)].endswith("weight") and p.ndim >= 2 for p in decayed["params"])
    assert {n for p in spared["params"] for n in [names[id(p)]] if p.ndim >= 2} == {
        "stack.embedding.table.weight"
    }
    assert len(decayed["params"]) + len(spared["params"]) == len(list(model.parameters()))
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)


def test_tied_tables_learned_positions_and_frozen_weights_do_not_decay() -> None:
    model = build("transformer_decoder", {"vocabulary": 11, "positions": "learned", "layers": 1})
    model.stack.layers[0].attention.query.weight.requires_grad_(False)
    decayed = {id(p) for p in decay_groups(model, 0.3)[0]["params"]}
    for spared in (
        model.leave.weight,
        model.stack.positions.table,
        model.stack.layers[0].attention.query.weight,
        model.stack.norm.weight,
    ):
        assert id(spared) not in decayed


def test_decay_shrinks_a_matrix_whose_gradient_is_zero_and_nothing_else() -> None:
    model = nn.Linear(3, 2).double()
    nn.init.ones_(model.bias)
    before = model.weight.detach().clone()
    optimizer = make_optimizer(model, OptimizerConfig("adamw", lr=0.1, weight_decay=0.5))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(model.weight.detach(), before * 0.95)
    assert torch.equal(model.bias, torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: OptimizerConfig("adam", momentum=0.9),
            "adam has no momentum: it takes lr, weight_decay, betas, eps",
        ),
        (lambda: make_optimizer(nn.Linear(2, 2).requires_grad_(False)), "nothing to optimize"),
        (lambda: make_optimizer(nn.BatchNorm1d(3), OptimizerConfig("muon")), "take adamw"),
        (
            lambda: Lion([torch.ones(1)], betas=(0.9, 1.0)),
            r"decay rates in \[0, 1\), but they are \(0.9, 1.0\)",
        ),
        (lambda: AdaBelief([torch.ones(1)], lr=-1.0), "lr should be 0 or more, but it is -1.0"),
        (lambda: Lion([torch.ones(1)], lr=math.nan), "lr should be 0 or more, but it is nan"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("kind", OWN)
def test_sparse_gradients_are_refused(kind) -> None:
    table = nn.Embedding(4, 2, sparse=True)
    optimizer = kind(table.parameters())
    out: Tensor = table(torch.tensor([1]))
    out.sum().backward()
    with pytest.raises(TypeError, match="needs dense gradients: build the embedding with sparse=False"):
        optimizer.step()
