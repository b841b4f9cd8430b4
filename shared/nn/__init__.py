"""Building blocks: what a network is made of, each checked against an independent oracle."""

from shared.nn.attention import MultiHeadAttention, attend
from shared.nn.cache import KVCache, LayerCache
from shared.nn.convolution import BasicBlock, BottleneckBlock, conv_norm
from shared.nn.embedding import TokenEmbedding
from shared.nn.feedforward import FeedForward
from shared.nn.fold import fold_batchnorm, fold_batchnorms
from shared.nn.masks import causal_mask, combine, document_mask, key_mask, padding_mask, window_mask
from shared.nn.norms import AdaptiveLayerNorm, BatchNorm, InstanceNorm, image_norm, sequence_norm
from shared.nn.pooling import masked_max, masked_mean
from shared.nn.positions import LearnedPositions, Rotary, SinusoidalPositions
from shared.nn.recurrent import Recurrent
from shared.nn.residual import Branch
from shared.nn.rules import Rule, initialise, standard_rules
from shared.nn.transformer import TransformerLayer

__all__ = [
    "AdaptiveLayerNorm",
    "BasicBlock",
    "BatchNorm",
    "BottleneckBlock",
    "Branch",
    "FeedForward",
    "InstanceNorm",
    "KVCache",
    "LayerCache",
    "LearnedPositions",
    "MultiHeadAttention",
    "Recurrent",
    "Rotary",
    "Rule",
    "SinusoidalPositions",
    "TokenEmbedding",
    "TransformerLayer",
    "attend",
    "causal_mask",
    "combine",
    "conv_norm",
    "document_mask",
    "fold_batchnorm",
    "fold_batchnorms",
    "image_norm",
    "initialise",
    "key_mask",
    "masked_max",
    "masked_mean",
    "padding_mask",
    "sequence_norm",
    "standard_rules",
    "window_mask",
]
