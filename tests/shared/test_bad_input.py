"""Bad input as a user meets it: without the tests' own shape check, one line that says what to do.

The calls run in a fresh interpreter, where that check is off.
"""

import json
import subprocess
import sys

import pytest

PREAMBLE = """
import json, sys
import torch
from torch import nn
from shared import losses, models, nn as blocks, optim
from shared.models import build
ids = lambda *shape: torch.zeros(*shape, dtype=torch.long)
answers = {}
for call in json.load(sys.stdin):
    try:
        eval(call)
        answers[call] = "no error"
    except Exception as error:
        answers[call] = f"{type(error).__name__}: {error}"
print(json.dumps(answers))
"""

SAID: dict[str, str] = {
    "build('residual_mlp_small')(torch.zeros(2, 63))": (
        "ShapeError: the input of ResidualMLP should have shape (B, F=64), but it has (2, 63): "
        "one row of features an example"
    ),
    "build('cnn')(torch.zeros(2, 8, 8))": (
        "ShapeError: the input of CNN should have shape (B, C=1, H, W), but it has (2, 8, 8): channels first"
    ),
    "build('resnet')(torch.zeros(2, 3, 8, 8))": (
        "ShapeError: the input of ResNet should have shape (B, C=1, H, W), but it has (2, 3, 8, 8): "
        "channels first"
    ),
    "build('transformer_encoder')(ids(7))": (
        "ShapeError: tokens should have shape (B, T), but it has (7,): a batch of sequences of ids"
    ),
    "build('bilstm')(ids(7))": (
        "ShapeError: tokens should have shape (B, T), but it has (7,): a batch of sequences of ids"
    ),
    "build('text_cnn')(ids(2, 7) + 300)": (
        "IndexError: token ids run from 300 to 300, but the vocabulary is 0 to 255: "
        "build the model with the vocabulary of the data"
    ),
    "build('transformer_encoder')(ids(2, 7), ids(2, 6).bool())": (
        "ShapeError: the padding mask should have shape (B=2, T=7), but it has (2, 6): "
        "one answer a token, True where it is real"
    ),
    "build('transformer_decoder', {'positions': 'learned', 'max_length': 8})(ids(1, 9))": (
        "ValueError: 9 positions, only 8 are learned: shorten the input or raise max_length"
    ),
    "build('transformer_encoder', {'heads': 5})": (
        "ValueError: d_model=64 cannot be split into 5 heads: choose a divisor of 64"
    ),
    "build('transformer_encoder', {'heads': 'four'})": (
        "ConfigError: heads should be a whole number, but it is 'four'"
    ),
    "build('transformer_encoder', {'positions': 'rotory'})": (
        "ConfigError: positions should be one of 'sinusoidal', 'learned', 'rotary', but it is 'rotory'"
    ),
    "build('resnet', {'widths': [8, 16]})": (
        "ConfigError: each stage has a width and a depth, got widths=(8, 16), depths=(1, 1, 1)"
    ),
    "models.CNN(models.CNNConfig(norm='bach'))": (
        "ValueError: no norm for images is called 'bach'; there are batch, layer, instance, group"
    ),
    "blocks.attend(*[torch.zeros(1, 2, 3, 4)] * 3, torch.zeros(3, 3))": (
        "TypeError: an attention mask is boolean, True = may attend; got torch.float32: use mask.bool()"
    ),
    "blocks.MultiHeadAttention(8, 2)(torch.zeros(2, 3, 9))": (
        "ShapeError: the input of an attention should have shape (B, T, D=8), but it has (2, 3, 9)"
    ),
    "blocks.initialise(nn.Linear(2, 2), 'kaiming')": (
        "ValueError: no initialiser is called 'kaiming'; there are xavier_uniform, xavier_normal, "
        "kaiming_uniform, kaiming_normal, orthogonal, sparse, zeros, ones, normal, keep"
    ),
    "blocks.FeedForward(4, kind='glu')": (
        "ValueError: no feed-forward is called 'glu'; there are relu, gelu, silu, swiglu, geglu"
    ),
    "blocks.Recurrent('ltsm', 2, 2)": (
        "ValueError: no recurrent cell is called 'ltsm'; there are lstm, gru, rnn"
    ),
    "blocks.BatchNorm(3)(torch.zeros(2, 4, 5))": (
        "ShapeError: BatchNorm expects [B, C=3, *], but it got (2, 4, 5)"
    ),
    "losses.cross_entropy(torch.zeros(2, 5, 3), ids(2, 3))": (
        "ShapeError: cross_entropy: logits (2, 5, 3) have their classes last, so targets should have shape "
        "(2, 5), but they have (2, 3): move the classes to the end"
    ),
    "losses.cross_entropy(torch.zeros(2, 3), ids(2), reduction='avg')": (
        "ValueError: no reduction is called 'avg'; there are mean, sum, none"
    ),
    "losses.huber_loss(torch.zeros(4, 1), torch.zeros(4))": (
        "ShapeError: huber_loss: predictions (4, 1) and targets (4,) should be of one shape: "
        "broadcasting would compare every pair"
    ),
    "losses.dice_loss(torch.zeros(2, 3, 4, 4), ids(2, 4))": (
        "ShapeError: dice_loss: logits [B, K, *] of shape (2, 3, 4, 4) do not go with targets [B, *] "
        "of shape (2, 4)"
    ),
    "losses.log_priors(torch.tensor([3, 0]))": (
        "ValueError: classes [1] never occur, so their prior is 0: leave them out or add 1 to all counts"
    ),
    "losses.contrastive_loss(torch.zeros(2, 3), torch.zeros(3, 3), torch.zeros(2).bool())": (
        "ShapeError: contrastive_loss takes two batches of embeddings [N, D] and one answer a pair [N], "
        "but it got (2, 3), (3, 3) and (2,)"
    ),
    "losses.mined_triplet_loss(torch.zeros(4, 2), ids(4), mining='semihard')": (
        "ValueError: no mining is called 'semihard'; there are all, hard, semi-hard"
    ),
    "losses.info_nce(torch.zeros(4, 2), torch.zeros(3, 2))": (
        "ShapeError: info_nce takes two views [N, D] of the same things, but it got (4, 2) and (3, 2)"
    ),
    "optim.OptimizerConfig('adan')": ('ValueError: no optimizer is called "adan": did you mean "adam"?'),
    "optim.ScheduleConfig('cosin')": 'ValueError: no schedule is called "cosin": did you mean "cosine"?',
}


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE],
        input=json.dumps(list(SAID)),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("call", SAID)
def test_bad_input_is_answered_in_one_clear_line(call: str, answers: dict[str, str]) -> None:
    assert answers[call] == SAID[call]
