"""What Transformers promise beyond the catalogue: causality, caches, depth, memory."""

import pytest
import torch
from torch import Tensor

from shared.models import (
    TransformerDecoder,
    TransformerDecoderConfig,
    TransformerEncoder,
    TransformerEncoderConfig,
    TransformerSeq2Seq,
    TransformerSeq2SeqConfig,
)
from shared.nn import padding_mask


def tokens(batch: int, length: int, vocabulary: int = 11) -> Tensor:
    return torch.randint(1, vocabulary, (batch, length), generator=torch.Generator().manual_seed(0))


every_position = pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary"])


@every_position
def test_a_decoder_does_not_see_the_future(positions) -> None:
    model = TransformerDecoder(TransformerDecoderConfig(vocabulary=11, positions=positions)).double().eval()
    x = tokens(2, 8)
    changed = x.clone()
    changed[:, 5:] = changed[:, 5:] % 10 + 1
    before, after = model(x), model(changed)
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5], after[:, 5])


@every_position
@pytest.mark.parametrize("key_heads", [None, 1])
def test_decoding_with_a_cache_equals_decoding_without(positions, key_heads) -> None:
    config = TransformerDecoderConfig(vocabulary=11, positions=positions, key_heads=key_heads)
    model = TransformerDecoder(config).double().eval()
    x, cache = tokens(2, 9), model.new_cache(9)
    steps = [model(part, cache) for part in x.split([4, 1, 1, 3], dim=1)]
    torch.testing.assert_close(torch.cat(steps, 1), model(x))


@every_position
def test_writing_with_a_cache_equals_writing_without_and_reads_the_memory_once(positions) -> None:
    config = TransformerSeq2SeqConfig(
        vocabulary=11, target_vocabulary=7, decoder_layers=1, positions=positions
    )
    model = TransformerSeq2Seq(config).double().eval()
    source, target = tokens(3, 6), tokens(3, 5, 7)
    real = padding_mask(torch.tensor([6, 2, 4]), 6)
    memory, cache = model.encode(source, real), model.new_cache(5)
    projections = []
    model.decoder.layers[0].cross.key.register_forward_hook(lambda *_: projections.append(1))
    steps = [model.decode(part, memory, real, cache) for part in target.split(1, dim=1)]
    assert len(projections) == 1
    torch.testing.assert_close(torch.cat(steps, 1), model(source, target, real))


def test_the_padding_of_a_memory_is_not_read() -> None:
    model = TransformerSeq2Seq(TransformerSeq2SeqConfig(vocabulary=11)).double().eval()
    source, target = tokens(2, 6), tokens(2, 4)
    real = padding_mask(torch.tensor([3, 6]), 6)
    changed = source.where(real, torch.full_like(source, 9))
    torch.testing.assert_close(model(source, target, real), model(changed, target, real))


@pytest.mark.parametrize("layers", [1, 48])
def test_the_stream_of_a_pre_norm_stack_does_not_grow_with_depth(layers: int) -> None:
    torch.manual_seed(0)
    model = TransformerEncoder(TransformerEncoderConfig(vocabulary=11, layers=layers)).eval()
    streams: list[Tensor] = []
    model.stack.norm.register_forward_pre_hook(lambda _, inputs: streams.append(inputs[0]))
    model(tokens(8, 12))
    assert 0.8 < streams[0].std() < 2.0


def test_a_new_decoder_is_about_as_unsure_as_a_guess() -> None:
    torch.manual_seed(0)
    model = TransformerDecoder(TransformerDecoderConfig(vocabulary=50))
    logits = model(tokens(8, 16, 50))
    assert logits.std() < 1.5


def test_tied_weights_are_one_parameter() -> None:
    tied = TransformerDecoder(TransformerDecoderConfig(vocabulary=11))
    untied = TransformerDecoder(TransformerDecoderConfig(vocabulary=11, tied=False))
    count = [sum(p.numel() for p in model.parameters()) for model in (tied, untied)]
    assert count[1] - count[0] == 11 * 64
    assert tied.leave.weight is tied.stack.embedding.table.weight


def test_order_matters_to_an_encoder_with_positions() -> None:
    torch.manual_seed(0)
    for positions in ("sinusoidal", "learned", "rotary"):
        model = TransformerEncoder(TransformerEncoderConfig(vocabulary=11, positions=positions)).double()
        x = tokens(1, 8)
        assert not torch.allclose(model(x), model(x.flip(1)))
