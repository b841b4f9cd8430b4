"""One walk through the whole catalogue: what every model must do."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from shared.models import CATALOGUE, ModelConfig, build, configure, model_info, parameter_count

SMALL: dict[str, dict[str, Any]] = {
    "text_cnn": {"vocabulary": 11, "classes": 3},
    "bilstm": {"vocabulary": 11, "classes": 3, "layers": 2},
    "transformer_encoder": {"vocabulary": 11, "classes": 3},
    "transformer_decoder": {"vocabulary": 11},
    "transformer_seq2seq": {"vocabulary": 11, "target_vocabulary": 7},
}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, SMALL.get(name, {})) for name in CATALOGUE),
    ("cnn", {"channels": 3, "widths": [8, 16, 32], "norm": "group"}),
    ("resnet", {"block": "bottleneck", "widths": [8, 16], "depths": [2, 1], "norm": "layer"}),
    ("bilstm", {**SMALL["bilstm"], "pooling": "mean"}),
    (
        "transformer_encoder",
        {**SMALL["transformer_encoder"], "placement": "post", "positions": "learned", "pooling": "first"},
    ),
    (
        "transformer_decoder",
        {
            "vocabulary": 11,
            "kind": "swiglu",
            "norm": "rms",
            "positions": "rotary",
            "key_heads": 2,
            "tied": False,
        },
    ),
    ("transformer_seq2seq", {**SMALL["transformer_seq2seq"], "decoder_layers": 1, "positions": "rotary"}),
]
every_model = pytest.mark.parametrize(
    ("name", "changes"),
    VARIANTS,
    ids=[f"{n}-{i}" if i >= len(CATALOGUE) else n for i, (n, _) in enumerate(VARIANTS)],
)


def make(name: str, changes: dict[str, Any], seed: int = 0) -> nn.Module:
    """A model in float64 with no parameter left at zero (zero-initialised branches would hide the rest)."""
    torch.manual_seed(seed)
    model = build(name, changes).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model


def example(name: str, changes: dict[str, Any], batch: int = 3, length: int = 6) -> tuple[Tensor, ...]:
    """Inputs of the kind that the catalogue promises; tokens are 1 and up, so that nothing is padding."""
    config: Any = configure(name, changes)
    generator = torch.Generator().manual_seed(batch * 100 + length)

    def tokens(vocabulary: int, length: int) -> Tensor:
        return torch.randint(1, vocabulary, (batch, length), generator=generator)

    match model_info(name).inputs:
        case "features":
            return (torch.randn(batch, config.inputs, generator=generator, dtype=torch.float64),)
        case "image":
            return (torch.randn(batch, config.channels, 8, 8, generator=generator, dtype=torch.float64),)
        case "tokens":
            return (tokens(config.vocabulary, length),)
        case "token pair":
            return tokens(config.vocabulary, length), tokens(config.target_vocabulary, length + 2)


def expected_shape(name: str, inputs: tuple[Tensor, ...], config: Any) -> tuple[int, ...]:
    if name == "transformer_decoder":
        return (*inputs[0].shape, config.vocabulary)
    if name == "transformer_seq2seq":
        return (*inputs[1].shape, config.target_vocabulary)
    return (len(inputs[0]), config.classes)


@every_model
def test_the_output_has_the_promised_shape(name: str, changes: dict[str, Any]) -> None:
    inputs = example(name, changes)
    out = make(name, changes)(*inputs)
    assert out.shape == expected_shape(name, inputs, configure(name, changes))
    assert out.isfinite().all()


@every_model
def test_every_parameter_gets_a_finite_gradient_that_is_not_zero(name: str, changes: dict[str, Any]) -> None:
    model = make(name, changes)
    model(*example(name, changes)).square().sum().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


@every_model
def test_two_builds_from_one_seed_agree_to_the_bit_in_float64(name: str, changes: dict[str, Any]) -> None:
    inputs = example(name, changes)
    outputs, gradients = [], []
    for _ in range(2):
        model = make(name, changes, seed=7)
        out = model(*inputs)
        out.square().sum().backward()
        outputs.append(out)
        gradients.append([p.grad for p in model.parameters()])
    assert torch.equal(*outputs)
    for first, second in zip(*gradients, strict=True):
        assert torch.equal(first, second)


@every_model
def test_a_saved_model_loads_into_a_new_one_and_answers_the_same(
    name: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    model, inputs = make(name, changes), example(name, changes)
    model(*inputs)  # moves running statistics, which must be saved too
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = make(name, changes, seed=1)
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert torch.equal(model.eval()(*inputs), other.eval()(*inputs))


@every_model
def test_an_example_does_not_depend_on_its_batch_in_evaluation(name: str, changes: dict[str, Any]) -> None:
    model, inputs = make(name, changes).eval(), example(name, changes)
    alone = model(*(x[:1] for x in inputs))
    torch.testing.assert_close(model(*inputs)[:1], alone)


@pytest.mark.filterwarnings("ignore:The tensor attributes self.reader")  # torch on its own LSTM
@every_model
def test_the_exported_program_agrees_at_other_sizes(name: str, changes: dict[str, Any]) -> None:
    model = make(name, changes).eval()
    inputs = example(name, changes)
    auto = torch.export.Dim.AUTO
    dynamic = [
        dict.fromkeys(range(2 if x.ndim == 2 and not x.is_floating_point() else 1), auto) for x in inputs
    ]
    if name == "bilstm":  # a recurrence is unrolled: its length is part of the program
        dynamic = [{0: auto}]
    program = torch.export.export(model, inputs, dynamic_shapes=tuple(dynamic)).module()
    other = example(name, changes, batch=5, length=6 if name == "bilstm" else 9)
    torch.testing.assert_close(program(*other), model(*other))


TEXT = [(name, changes) for name, changes in VARIANTS if model_info(name).inputs in ("tokens", "token pair")]


@pytest.mark.parametrize(("name", "changes"), TEXT)
def test_padding_has_no_influence(name: str, changes: dict[str, Any]) -> None:
    model = make(name, changes).eval()
    inputs = example(name, changes)
    lengths = torch.tensor([6, 2, 1])
    padded = list(inputs)
    padded[0] = inputs[0].masked_fill(torch.arange(6) >= lengths[:, None], 0)
    longer = [torch.cat((padded[0], torch.zeros(3, 4, dtype=torch.long)), 1), *padded[1:]]
    out, out_longer = model(*padded), model(*longer)
    for b, n in enumerate(lengths.tolist()):
        alone = model(padded[0][b : b + 1, :n], *(x[b : b + 1] for x in padded[1:]))[0]
        real = slice(0, n) if name == "transformer_decoder" else slice(None)
        torch.testing.assert_close(out[b][real], alone[real])
        torch.testing.assert_close(out_longer[b][real], alone[real])


@pytest.mark.parametrize(("name", "changes"), TEXT)
def test_a_text_of_nothing_but_padding_gives_finite_answers_and_gradients(
    name: str, changes: dict[str, Any]
) -> None:
    model = make(name, changes)
    inputs = example(name, changes)
    model(torch.zeros_like(inputs[0]), *inputs[1:]).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@every_model
def test_parameters_are_counted_without_building(name: str, changes: dict[str, Any]) -> None:
    assert parameter_count(name, changes) == sum(p.numel() for p in build(name, changes).parameters())


def test_sizes_of_the_residual_mlp_grow() -> None:
    sizes = [parameter_count(f"residual_mlp_{size}") for size in ("small", "medium", "large", "xlarge")]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 100 * sizes[0]


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_mapping_and_a_dataclass_build_the_same(name: str) -> None:
    config: ModelConfig = configure(name, {"dropout": 0.25} if name != "resnet" else {"depths": [2, 2, 2]})
    assert configure(name, config) is config
    torch.manual_seed(0)
    first = build(name, config)
    torch.manual_seed(0)
    second = build(name, copy.deepcopy(config))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_mapping_changes_what_it_names_and_nothing_else() -> None:
    default = model_info("residual_mlp_xlarge").config
    assert configure("residual_mlp_xlarge", {"classes": 3}) == replace(default, classes=3)


def test_every_model_is_described() -> None:
    for info in CATALOGUE.values():
        assert info.summary
        assert info.source
        assert info.model.__doc__
        assert type(info.config).__doc__
        assert replace(info.config) == info.config


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: build("transfomer_encoder"),
            "no model is called 'transfomer_encoder': did you mean \"transformer_encoder\"",
        ),
        (lambda: build("xyz"), "no model is called 'xyz': there are residual_mlp_small, residual_mlp_medium"),
        (lambda: build("bilstm", {"hiden": 3}), 'there is no option "hiden": did you mean "hidden"'),
    ],
)
def test_a_typo_is_answered_with_what_was_meant(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_the_configuration_of_another_model_is_refused() -> None:
    with pytest.raises(TypeError, match="cnn takes a CNNConfig, not a BiLSTMConfig"):
        build("cnn", configure("bilstm"))
