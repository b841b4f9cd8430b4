"""All models by name: what there is, what it takes, how to build it.

    model = build("transformer_encoder", TransformerEncoderConfig(vocabulary=100, classes=12))
    model = build("transformer_encoder", {"vocabulary": 100, "classes": 12})   # as a YAML file would say it

``CATALOGUE`` is the whole registry: a new family is one more row, and the tests walk all rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from torch import nn

from shared.config import did_you_mean, from_dict, to_dict
from shared.models.bilstm import BiLSTM, BiLSTMConfig
from shared.models.cnn import CNN, CNNConfig
from shared.models.residual_mlp import SIZES, ResidualMLP, ResidualMLPConfig
from shared.models.resnet import ResNet, ResNetConfig
from shared.models.text_cnn import TextCNN, TextCNNConfig
from shared.models.transformer_decoder import TransformerDecoder, TransformerDecoderConfig
from shared.models.transformer_encoder import TransformerEncoder, TransformerEncoderConfig
from shared.models.transformer_seq2seq import TransformerSeq2Seq, TransformerSeq2SeqConfig

Inputs = Literal["features", "image", "tokens", "token pair"]

ModelConfig = (
    ResidualMLPConfig
    | CNNConfig
    | ResNetConfig
    | TextCNNConfig
    | BiLSTMConfig
    | TransformerEncoderConfig
    | TransformerDecoderConfig
    | TransformerSeq2SeqConfig
)


@dataclass(frozen=True)
class ModelInfo:
    """What the catalogue knows of a model.

    Args:
        summary: what it is, in one line.
        model: builds it from a configuration of the type of ``config``.
        config: used where none is given.
        inputs: what ``forward`` takes: ``features`` [B, F], ``image`` [B, C, H, W], ``tokens`` [B, T], or
            ``token pair``: a source [B, T] and a target [B, T_q].
        outputs: what it returns.
        source: who described it.
    """

    summary: str
    model: Callable[[Any], nn.Module]
    config: ModelConfig
    inputs: Inputs
    outputs: str
    source: str


CATALOGUE: Final[dict[str, ModelInfo]] = {
    **{
        f"residual_mlp_{size}": ModelInfo(
            f"{config.blocks} pre-norm residual blocks of width {config.width}",
            ResidualMLP,
            config,
            inputs="features",
            outputs="[B, classes]",
            source="He et al. 2016, Identity mappings in deep residual networks",
        )
        for size, config in SIZES.items()
    },
    "cnn": ModelInfo(
        "stages of two 3×3 convolutions, averaged at the end",
        CNN,
        CNNConfig(),
        inputs="image",
        outputs="[B, classes]",
        source="Simonyan and Zisserman 2015, Very deep convolutional networks",
    ),
    "resnet": ModelInfo(
        "stages of residual blocks, basic or bottleneck",
        ResNet,
        ResNetConfig(),
        inputs="image",
        outputs="[B, classes]",
        source="He et al. 2016, Deep residual learning",
    ),
    "text_cnn": ModelInfo(
        "n-gram detectors with a maximum over the text",
        TextCNN,
        TextCNNConfig(),
        inputs="tokens",
        outputs="[B, classes]",
        source="Kim 2014, Convolutional neural networks for sentence classification",
    ),
    "bilstm": ModelInfo(
        "an LSTM that reads in both directions",
        BiLSTM,
        BiLSTMConfig(),
        inputs="tokens",
        outputs="[B, classes]",
        source="Graves and Schmidhuber 2005, Framewise phoneme classification",
    ),
    "transformer_encoder": ModelInfo(
        "a Transformer that reads a text and classifies it",
        TransformerEncoder,
        TransformerEncoderConfig(),
        inputs="tokens",
        outputs="[B, classes]",
        source="Devlin et al. 2019, BERT",
    ),
    "transformer_decoder": ModelInfo(
        "a causal Transformer that predicts the next token",
        TransformerDecoder,
        TransformerDecoderConfig(),
        inputs="tokens",
        outputs="[B, T, V]",
        source="Radford et al. 2018, Improving language understanding",
    ),
    "transformer_seq2seq": ModelInfo(
        "a Transformer that reads one sequence and writes another",
        TransformerSeq2Seq,
        TransformerSeq2SeqConfig(),
        inputs="token pair",
        outputs="[B, T_q, V]",
        source="Vaswani et al. 2017, Attention is all you need",
    ),
}


def model_info(name: str) -> ModelInfo:
    """What the catalogue knows of the model of that name."""
    if name not in CATALOGUE:
        raise ValueError(f"no model is called {name!r}: {did_you_mean(name, list(CATALOGUE))}")
    return CATALOGUE[name]


def build(name: str, config: ModelConfig | Mapping[str, object] | None = None) -> nn.Module:
    """A freshly initialised model; weights are drawn from torch's global generator.

    ``config`` is the model's own dataclass, or a mapping of the fields that differ from the catalogue's, or
    nothing.
    """
    return model_info(name).model(configure(name, config))


def configure(name: str, config: ModelConfig | Mapping[str, object] | None = None) -> ModelConfig:
    """The complete configuration that ``build`` would use.

    In a mapping, an unknown key or a value of the wrong kind is a ``ConfigError`` that names it.
    """
    default = model_info(name).config
    if config is None:
        return default
    if isinstance(config, Mapping):
        return from_dict(type(default), {**to_dict(default), **config})
    if not isinstance(config, type(default)):
        raise TypeError(f"{name} takes a {type(default).__name__}, not a {type(config).__name__}")
    return config


def parameter_count(name: str, config: ModelConfig | Mapping[str, object] | None = None) -> int:
    """How many parameters a model has, without allocating any."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(name, config).parameters())
