"""The six initialisers follow their laws exactly, and rules apply them to a whole model."""

import math

import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from torch import nn

from shared.nn import Rule, initialise, standard_rules
from shared.nn.activations import GAINS
from shared.nn.initialisers import fans, initialiser, sparse_

NAMES = ["xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal", "sparse"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", [(7, 5), (6, 3, 3, 3), (4, 2, 5)])
def test_fans_are_those_of_torch(shape: tuple[int, ...]) -> None:
    weight = torch.empty(shape)
    assert fans(weight) == nn.init._calculate_fan_in_and_fan_out(weight)


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("xavier_uniform", lambda w, g: nn.init.xavier_uniform_(w, math.sqrt(2), g)),
        ("xavier_normal", lambda w, g: nn.init.xavier_normal_(w, math.sqrt(2), g)),
        ("kaiming_uniform", lambda w, g: nn.init.kaiming_uniform_(w, nonlinearity="relu", generator=g)),
        ("kaiming_normal", lambda w, g: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=g)),
        ("orthogonal", lambda w, g: nn.init.orthogonal_(w, math.sqrt(2), g)),
    ],
)
@pytest.mark.parametrize("shape", [(40, 30), (30, 40), (8, 4, 3, 3)])
def test_an_initialiser_draws_what_torch_draws(name, twin, shape) -> None:
    ours = initialiser(name)(torch.empty(shape), math.sqrt(2), seeded())
    torch.testing.assert_close(ours, twin(torch.empty(shape), seeded()))


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("xavier_uniform", lambda i, o: stats.uniform(-math.sqrt(6 / (i + o)), 2 * math.sqrt(6 / (i + o)))),
        ("xavier_normal", lambda i, o: stats.norm(0, math.sqrt(2 / (i + o)))),
        ("kaiming_uniform", lambda i, o: stats.uniform(-math.sqrt(3 / i), 2 * math.sqrt(3 / i))),
        ("kaiming_normal", lambda i, o: stats.norm(0, math.sqrt(1 / i))),
    ],
)
def test_an_initialiser_follows_its_law(name, law) -> None:
    weight = initialiser(name)(torch.empty(128, 512, dtype=torch.float64), 1.0, seeded())
    assert stats.kstest(weight.flatten().numpy(), law(512, 128).cdf).pvalue > 1e-4


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (30, 30)])
def test_orthogonal_has_singular_values_equal_to_the_gain(shape) -> None:
    weight = initialiser("orthogonal")(torch.empty(shape, dtype=torch.float64), 3.0, seeded())
    torch.testing.assert_close(
        torch.linalg.svdvals(weight), torch.full((min(shape),), 3.0, dtype=torch.float64)
    )


@pytest.mark.parametrize(("rows", "sparsity", "zeros"), [(100, 0.3, 30), (7, 0.5, 4), (5, 0.0, 0)])
def test_sparse_has_the_same_count_of_zeros_in_every_column(rows: int, sparsity: float, zeros: int) -> None:
    weight = sparse_(torch.empty(rows, 50), 1.0, seeded(), sparsity)
    assert (weight == 0).sum(0).tolist() == [zeros] * 50


def test_sparse_values_follow_the_normal_law_that_keeps_the_mean_square() -> None:
    weight = sparse_(torch.empty(512, 512, dtype=torch.float64), 2.0, seeded(), 0.75)
    kept = weight[weight != 0]
    assert stats.kstest(kept.numpy(), stats.norm(0, 2 / math.sqrt(128)).cdf).pvalue > 1e-4


def test_sparse_draws_everything_from_the_generator() -> None:
    torch.manual_seed(1)
    first = sparse_(torch.empty(20, 20), generator=seeded())
    torch.manual_seed(2)
    assert torch.equal(first, sparse_(torch.empty(20, 20), generator=seeded()))


@pytest.mark.parametrize("name", NAMES)
def test_an_initialiser_writes_in_place_outside_autograd_and_keeps_the_dtype(name) -> None:
    parameter = nn.Parameter(torch.zeros(6, 4, dtype=torch.float64))
    returned = initialiser(name)(parameter, 1.0, seeded())
    assert returned is parameter
    assert parameter.is_leaf
    assert parameter.dtype == torch.float64
    assert parameter.abs().sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_transposed_view_is_filled_in_place(name) -> None:
    base = torch.zeros(4, 6)
    initialiser(name)(base.T, 1.0, seeded())
    assert (base != 0).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_is_refused(name) -> None:
    with pytest.raises(ValueError, match=r"two dimensions or more, got shape .5,."):
        initialiser(name)(torch.empty(5))


@pytest.mark.parametrize("name", NAMES)
def test_thirty_relu_layers_keep_the_mean_square(name) -> None:
    """What initialisers are for. (Xavier equals Kaiming where fan_in = fan_out.)"""
    torch.manual_seed(0)
    model = nn.Sequential(*[layer for _ in range(30) for layer in (nn.Linear(256, 256), nn.ReLU())])
    initialise(model, name, activation="relu", generator=seeded())
    with torch.no_grad():
        ratio = model(torch.randn(64, 256)).square().mean().sqrt()
    assert 0.2 < ratio < 5


@pytest.mark.parametrize(
    ("name", "function"),
    [("relu", torch.relu), ("gelu", nn.functional.gelu), ("silu", nn.functional.silu)],
)
def test_a_gain_undoes_what_the_activation_takes_from_the_mean_square(name, function) -> None:
    def integrand(z: float) -> float:
        return float(function(torch.tensor(z, dtype=torch.float64))) ** 2 * stats.norm.pdf(z)

    assert GAINS[name] == pytest.approx(1 / math.sqrt(quad(integrand, -10, 10, limit=200)[0]), abs=1e-4)


@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_the_other_gains_are_torchs(name) -> None:
    assert GAINS[name] == pytest.approx(nn.init.calculate_gain(name))


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.LayerNorm(8)
        self.lstm = nn.LSTM(8, 16, num_layers=2, bidirectional=True)
        self.attention = nn.MultiheadAttention(8, 2)
        self.out = nn.Linear(8, 11)
        self.out.weight = self.embedding.weight  # tied


def test_rules_fill_matrices_zero_their_biases_and_leave_the_rest() -> None:
    model = Mixed()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    done = initialise(model, "orthogonal", generator=seeded())
    assert set(done) == set(before)
    for name, parameter in model.named_parameters():
        if name.startswith(("embedding", "norm")):
            assert torch.equal(parameter, before[name])
        elif "bias" in name:
            assert not parameter.any()
        else:
            assert not torch.equal(parameter, before[name])


def test_fused_weights_are_filled_gate_by_gate() -> None:
    model = Mixed()
    initialise(model, "orthogonal", activation="linear", generator=seeded())
    for gate in model.lstm.weight_hh_l0.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)
    for projection in model.attention.in_proj_weight.chunk(3):
        torch.testing.assert_close(projection @ projection.T, torch.eye(8), atol=1e-5, rtol=0)


def test_the_first_matching_rule_wins() -> None:
    model = Mixed()
    rules = [Rule("conv.weight", "ones", modules=(nn.Conv2d,)), *standard_rules("kaiming_normal")]
    done = initialise(model, rules)
    assert done["conv.weight"] == "ones"
    assert (model.conv.weight == 1).all()
    assert done["lstm.weight_hh_l0"] == "kaiming_normal"


def test_a_gain_multiplies_what_is_drawn() -> None:
    small, large = nn.Linear(4, 4), nn.Linear(4, 4)
    initialise(small, [Rule("weight", "xavier_normal"), Rule("*", "zeros")], generator=seeded())
    initialise(large, [Rule("weight", "xavier_normal", gain=3.0), Rule("*", "zeros")], generator=seeded())
    torch.testing.assert_close(large.weight, 3 * small.weight)


def test_constants_and_plain_normal_noise_are_fillings_too() -> None:
    model = nn.Linear(400, 400)
    initialise(model, [Rule("bias", "ones"), Rule("weight", "normal", gain=0.02)], generator=seeded())
    assert (model.bias == 1).all()
    assert stats.kstest(model.weight.detach().flatten().numpy(), stats.norm(0, 0.02).cdf).pvalue > 1e-4


def test_the_same_generator_gives_the_same_model() -> None:
    first, second = Mixed(), Mixed()
    second.load_state_dict(first.state_dict())
    initialise(first, "sparse", generator=seeded(3))
    initialise(second, "sparse", generator=seeded(3))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_parameter_without_a_rule_is_named() -> None:
    with pytest.raises(ValueError, match=r"no rule matches the parameter 'bias'.*keep"):
        initialise(nn.Linear(2, 2), [Rule("weight", "orthogonal")])


def test_an_unknown_gain_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no gain is known for 'swish'.*silu"):
        Rule("*", "orthogonal", gain="swish")
