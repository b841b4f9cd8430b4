"""Models, one family a file, and the catalogue that builds them by name."""

from shared.models.bilstm import BiLSTM, BiLSTMConfig
from shared.models.catalogue import (
    CATALOGUE,
    ModelConfig,
    ModelInfo,
    build,
    configure,
    model_info,
    parameter_count,
)
from shared.models.cnn import CNN, CNNConfig
from shared.models.residual_mlp import ResidualMLP, ResidualMLPConfig
from shared.models.resnet import ResNet, ResNetConfig
from shared.models.text_cnn import TextCNN, TextCNNConfig
from shared.models.transformer_decoder import TransformerDecoder, TransformerDecoderConfig
from shared.models.transformer_encoder import TransformerEncoder, TransformerEncoderConfig
from shared.models.transformer_seq2seq import TransformerSeq2Seq, TransformerSeq2SeqConfig

__all__ = [
    "CATALOGUE",
    "CNN",
    "BiLSTM",
    "BiLSTMConfig",
    "CNNConfig",
    "ModelConfig",
    "ModelInfo",
    "ResNet",
    "ResNetConfig",
    "ResidualMLP",
    "ResidualMLPConfig",
    "TextCNN",
    "TextCNNConfig",
    "TransformerDecoder",
    "TransformerDecoderConfig",
    "TransformerEncoder",
    "TransformerEncoderConfig",
    "TransformerSeq2Seq",
    "TransformerSeq2SeqConfig",
    "build",
    "configure",
    "model_info",
    "parameter_count",
]
