"""A recurrent layer equals torch's with packing, and nothing in the padding matters."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from shared.nn import Recurrent
from shared.nn.recurrent import reverse_within

LENGTHS = torch.tensor([5, 2, 7, 1])
TWINS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def twin_of(ours: Recurrent, cell: str, inputs: int, hidden: int) -> nn.RNNBase:
    layers, both = len(ours.forwards), len(ours.backwards) > 0
    twin = TWINS[cell](inputs, hidden, layers, batch_first=True, bidirectional=both).double()
    weights = {}
    for suffix, stack in (("", ours.forwards), ("_reverse", ours.backwards)):
        for number, layer in enumerate(stack):
            for name, value in layer.state_dict().items():
                weights[name.replace("_l0", f"_l{number}{suffix}")] = value
    twin.load_state_dict(weights)
    return twin


def packed(twin: nn.RNNBase, x: Tensor) -> tuple[Tensor, Tensor]:
    """What torch gives for packed sequences: outputs, and the last layer's final states side by side."""
    out, state = twin(pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False))
    state = state[0] if isinstance(state, tuple) else state
    last = state[-2:] if twin.bidirectional else state[-1:]
    return pad_packed_sequence(out, batch_first=True)[0], last.transpose(0, 1).flatten(1)


@pytest.mark.parametrize("cell", TWINS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_equals_torch_with_packing(cell, layers: int, bidirectional: bool) -> None:
    ours = Recurrent(cell, 3, 4, layers, bidirectional=bidirectional).double()
    x = torch.randn(4, 7, 3, dtype=torch.float64, requires_grad=True)
    outputs, final = ours(x, LENGTHS)
    expected_outputs, expected_final = packed(twin_of(ours, cell, 3, 4), x)
    torch.testing.assert_close(outputs, expected_outputs)
    torch.testing.assert_close(final, expected_final)
    ours_grad = torch.autograd.grad(outputs.square().sum() + final.sum(), x, retain_graph=True)
    twin_grad = torch.autograd.grad(expected_outputs.square().sum() + expected_final.sum(), x)
    torch.testing.assert_close(ours_grad, twin_grad)


def test_neither_the_amount_nor_the_content_of_padding_matters() -> None:
    ours = Recurrent("lstm", 3, 4, 2, bidirectional=True).double()
    x = torch.randn(4, 7, 3, dtype=torch.float64)
    outputs, final = ours(x, LENGTHS)
    longer = torch.cat((x, torch.randn(4, 3, 3, dtype=torch.float64)), 1)
    longer[1, 2:] = 1e6
    outputs_again, final_again = ours(longer, LENGTHS)
    torch.testing.assert_close(outputs_again[:, :7], outputs)
    torch.testing.assert_close(final_again, final)
    assert not outputs_again[:, 7:].any()


def test_an_empty_sequence_gives_zeros() -> None:
    outputs, final = Recurrent("gru", 3, 4, bidirectional=True)(torch.randn(2, 5, 3), torch.tensor([0, 3]))
    assert not outputs[0].any()
    assert not final[0].any()
    assert final[1].any()


def test_reversing_within_lengths_twice_changes_nothing() -> None:
    x = torch.arange(8.0).view(2, 4, 1)
    lengths = torch.tensor([3, 0])
    turned = reverse_within(x, lengths)
    assert turned[:, :, 0].tolist() == [[2, 1, 0, 3], [4, 5, 6, 7]]
    assert torch.equal(reverse_within(turned, lengths), x)


def test_dropout_stands_between_layers_and_acts_in_training_only() -> None:
    ours, x = Recurrent("gru", 3, 4, 2, dropout=0.5), torch.randn(4, 7, 3)
    assert not torch.equal(ours(x, LENGTHS)[0], ours(x, LENGTHS)[0])
    ours.eval()
    assert torch.equal(ours(x, LENGTHS)[0], ours(x, LENGTHS)[0])
