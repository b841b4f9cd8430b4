"""Wrong answers to E5: the three models."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from phase2_intermediate.lab2_transformer_encoder import solution as s
from shared.models.text_cnn import TextCNN as Library
from shared.models.text_cnn import TextCNNConfig
from tests.labs.answers import Answers

wrong = Answers()


def model(name, base, forward=None, init=None):
    def build():
        methods = {} if forward is None else {"forward": forward}
        if init is not None:

            def __init__(self, vocabulary, classes=12):
                base.__init__(self, vocabulary, classes)
                init(self, vocabulary, classes)

            methods["__init__"] = __init__
        return {base.__name__: type(base.__name__, (base,), methods)}

    build.__name__ = name
    wrong("E5")(build)


def lstm_last(self, tokens):
    return self.leave(self.reader(self.embedding(tokens))[0][:, -1])


def lstm_hidden(self, tokens):
    _, (h, _) = self.reader(self.embedding(tokens))
    return self.leave(torch.cat((h[0], h[1]), 1))


def lstm_mean(self, tokens):
    return self.leave(self.reader(self.embedding(tokens))[0].mean(1))


def lstm_masked_late(self, tokens):
    return self.leave(s.masked_max(self.reader(self.embedding(tokens))[0], tokens != 0))


def lstm_length_not_minus_one(self, tokens):
    states, lengths = self.reader(self.embedding(tokens))[0], (tokens != 0).sum(1)
    return self.leave(states[torch.arange(len(tokens)), lengths.clamp(max=tokens.shape[1] - 1)])


def lstm_softmax(self, tokens):
    return s.BiLSTM.forward(self, tokens).softmax(-1)


def one_way(self, vocabulary, classes):
    self.reader = nn.LSTM(64, 128, batch_first=True)


def time_first(self, vocabulary, classes):
    self.reader = nn.LSTM(64, 64, bidirectional=True)


def time_first_forward(self, tokens):
    return self.leave(s.masked_max(self.reader(self.embedding(tokens))[0], tokens != 0))


def a_gru(self, vocabulary, classes):
    self.reader = nn.GRU(64, 64, batch_first=True, bidirectional=True)


model("last_padded_state", s.BiLSTM, lstm_last)
model("final_hidden_states", s.BiLSTM, lstm_hidden)
model("mean_over_padding", s.BiLSTM, lstm_mean)
model("masks_after_reading", s.BiLSTM, lstm_masked_late)
model("gathers_at_the_length", s.BiLSTM, lstm_length_not_minus_one)
model("probabilities", s.BiLSTM, lstm_softmax)
model("reads_forwards_only", s.BiLSTM, init=one_way)
model("batch_and_time_exchanged", s.BiLSTM, time_first_forward, time_first)
model("a_gru_for_an_lstm", s.BiLSTM, init=a_gru)


def cnn_with(pool, pad=True, activation=F.relu):
    def forward(self, tokens):
        x = self.embedding(tokens).transpose(1, 2)
        hits = [activation(d(F.pad(x, (0, d.kernel_size[0] - 1)) if pad else x)) for d in self.detectors]
        return self.leave(torch.cat([pool(h.transpose(1, 2), tokens) for h in hits], 1))

    return forward


def without_padding_index(self, vocabulary, classes):
    self.embedding = nn.Embedding(vocabulary, 64)


def one_window(self, vocabulary, classes):
    self.detectors = nn.ModuleList(nn.Conv1d(64, 112, 3) for _ in range(3))


def single_letters(self, vocabulary, classes):
    self.detectors = nn.ModuleList(nn.Conv1d(64, 112, 1) for _ in range(3))


def wide_windows(self, vocabulary, classes):
    self.detectors = nn.ModuleList(nn.Conv1d(64, 112, n) for n in (3, 4, 5))


model("maximum_over_all_places", s.TextCNN, cnn_with(lambda h, tokens: h.amax(1)))
model("mean_of_hits", s.TextCNN, cnn_with(lambda h, tokens: s.masked_mean(h, tokens != 0)))
model("first_place_only", s.TextCNN, cnn_with(lambda h, tokens: h[:, 0]))
model("no_padding_for_short_names", s.TextCNN, cnn_with(lambda h, tokens: h.amax(1), pad=False))
model("padding_has_a_vector", s.TextCNN, init=without_padding_index)
model("windows_of_three_only", s.TextCNN, init=one_window)
model("windows_of_one", s.TextCNN, init=single_letters)
model("windows_to_five", s.TextCNN, init=wide_windows)


@wrong("E5")
def the_librarys_cnn():
    class TextCNN(nn.Module):
        def __init__(self, vocabulary, classes=12):
            super().__init__()
            self.inner = Library(TextCNNConfig(vocabulary=vocabulary, classes=classes, filters=112))

        def forward(self, tokens):
            return self.inner(tokens)

    return {"TextCNN": TextCNN}


def transformer(
    mask=lambda real: real, pool=s.masked_mean, positions=lambda x: x + s.sinusoidal(x.shape[1], 64)
):
    def forward(self, tokens):
        real = tokens != 0
        h = positions(self.embedding(tokens))
        for layer in self.layers:
            h = layer(h, mask(real))
        return self.leave(pool(self.norm(h), real))

    return forward


def one_layer(self, vocabulary, classes):
    self.layers = self.layers[:1]


def torchs_layers(self, vocabulary, classes):
    self.layers = nn.ModuleList(nn.TransformerEncoderLayer(64, 4, 128, batch_first=True) for _ in range(2))


def dropout_always(self, tokens):
    return F.dropout(s.CharTransformer.forward(self, tokens), 0.1)


model("attends_to_padding", s.CharTransformer, transformer(mask=lambda real: None))
model("mask_upside_down", s.CharTransformer, transformer(mask=lambda real: ~real))
model("pools_over_padding", s.CharTransformer, transformer(pool=lambda h, real: h.mean(1)))
model("last_place", s.CharTransformer, transformer(pool=lambda h, real: h[:, -1]))
model("no_positions", s.CharTransformer, transformer(positions=lambda x: x))
model(
    "positions_of_the_batch",
    s.CharTransformer,
    transformer(positions=lambda x: x + s.sinusoidal(x.shape[0], 64)[:, None]),
)
model("no_pooling", s.CharTransformer, transformer(pool=lambda h, real: h))
model("a_single_layer", s.CharTransformer, init=one_layer)
model("ready_made_layers", s.CharTransformer, transformer(mask=lambda real: None), torchs_layers)
model("dropout_in_evaluation", s.CharTransformer, dropout_always)
model(
    "detached_logits",
    s.CharTransformer,
    lambda self, tokens: s.CharTransformer.forward(self, tokens).detach(),
)


@wrong("E5")
def classes_fixed():
    class CharTransformer(s.CharTransformer):
        def __init__(self, vocabulary, classes=12):
            super().__init__(vocabulary, 12)

    return {"CharTransformer": CharTransformer}


@wrong("E5")
def vocabulary_fixed():
    class BiLSTM(s.BiLSTM):
        def __init__(self, vocabulary, classes=12):
            super().__init__(128, classes)

    return {"BiLSTM": BiLSTM}


@wrong("E5")
def an_lstm_below_the_transformer():
    class CharTransformer(s.CharTransformer):
        def __init__(self, vocabulary, classes=12):
            super().__init__(vocabulary, classes)
            self.reader = nn.LSTM(64, 64, batch_first=True)

        def forward(self, tokens):
            real, h = tokens != 0, self.reader(self.embedding(tokens))[0]
            for layer in self.layers:
                h = layer(h, real)
            return self.leave(s.masked_mean(self.norm(h), real))

    return {"CharTransformer": CharTransformer}
