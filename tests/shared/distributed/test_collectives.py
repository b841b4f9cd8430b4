"""Collectives, samplers and wrapped models, two ranks against one process. One launch for many claims."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shared.distributed import (
    Mean,
    RankSampler,
    all_gather_single,
    distribute,
    gather_objects,
    launch,
    mean_over_ranks,
    process_group,
    reduce_scatter_single,
    sum_over_ranks,
)


def small_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()


def ragged_batches():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(11, 6, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (11,), generator=generator)
    return x, y


def train(strategy: str, steps: int = 5) -> dict[str, torch.Tensor]:
    """Five steps on 11 examples, 7 of them on rank 0: the loss is a sum, divided by the global count."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    from shared.distributed import rank, world_size

    x, y = ragged_batches()
    mine = slice(None) if world_size() == 1 else (slice(0, 7) if rank() == 0 else slice(7, 11))
    model = distribute(small_model(), strategy, blocks=nn.Linear)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(x[mine]), y[mine], reduction="sum")
        (loss * world_size() / len(x)).backward()  # both wrappers average over ranks
        optimizer.step()
        optimizer.zero_grad()
    return get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))


def everything(strategies):
    from shared.distributed import rank

    facts = {}
    r = rank()
    facts["sum"] = sum_over_ranks(torch.tensor([r, 10])).tolist()
    facts["mean"] = mean_over_ranks(torch.tensor([float(r)])).item()
    facts["gather"] = all_gather_single(torch.full((2, 3), r)).tolist()
    facts["scatter"] = reduce_scatter_single(torch.arange(4) + r).tolist()
    facts["objects"] = gather_objects({"rank": r})
    mean = Mean()
    mean.add(total=3.0 if r == 0 else 0.0, count=3 if r == 0 else 1)
    facts["weighted"] = mean.value()
    facts["empty"] = Mean().value()
    facts["sampler"] = list(RankSampler(11, seed=3))
    facts["even"] = list(RankSampler(11, seed=3, even=True))
    facts["weights"] = {name: train(name) for name in strategies}
    return facts


@pytest.fixture(scope="module")
def two_ranks():
    return launch(everything, ("ddp", "fsdp2"), ranks=2, timeout=120)


def test_sums_means_and_gathers(two_ranks):
    first, second = two_ranks
    for facts in two_ranks:
        assert facts["sum"] == [1, 20]
        assert facts["mean"] == 0.5
        assert facts["gather"] == [[0] * 3, [0] * 3, [1] * 3, [1] * 3]
        assert facts["objects"] == [{"rank": 0}, {"rank": 1}]
    assert (first["scatter"], second["scatter"]) == ([1, 3], [5, 7])


def test_a_metric_over_uneven_ranks_is_the_mean_over_examples(two_ranks):
    assert [facts["weighted"] for facts in two_ranks] == [0.75, 0.75], "the mean of the ranks' means is 0.5"
    assert all(facts["empty"] != facts["empty"] for facts in two_ranks)


def test_every_example_is_seen_exactly_once(two_ranks):
    first, second = (facts["sampler"] for facts in two_ranks)
    assert sorted(first + second) == list(range(11))
    assert abs(len(first) - len(second)) <= 1


def test_even_ranks_have_equally_many_and_miss_none(two_ranks):
    first, second = (facts["even"] for facts in two_ranks)
    assert len(first) == len(second) == 6
    assert set(first + second) == set(range(11))


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_ragged_training_on_two_ranks_equals_one_process(two_ranks, strategy):
    with process_group():
        alone = train("none")
    together = two_ranks[0]["weights"][strategy]
    assert together.keys() == alone.keys()
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, rtol=1e-8, atol=1e-10)


def test_alone_every_collective_is_the_obvious_thing():
    x = torch.arange(4.0)
    for operation in (sum_over_ranks, mean_over_ranks, all_gather_single, reduce_scatter_single):
        assert torch.equal(operation(x), x)
    assert gather_objects("me") == ["me"]


def test_whole_numbers_have_no_mean():
    with pytest.raises(TypeError, match=r"mean of torch.int64"):
        mean_over_ranks(torch.tensor([1]))


def test_a_sampler_resumes_in_the_middle_of_an_epoch():
    sampler = RankSampler(10, seed=1)
    sampler.set_epoch(2)
    iterator = iter(sampler)
    head = [next(iterator) for _ in range(4)]
    state = sampler.state_dict()
    rest, following = list(iterator), list(sampler)
    other = RankSampler(10, seed=1)
    other.load_state_dict(state)
    assert list(other) == rest
    assert list(other) == following, "and goes on with the next epoch"
    assert sorted(head + rest) == list(range(10))
    assert head + rest != following


@pytest.mark.parametrize(
    ("strategy", "error", "words"),
    [("ddp", RuntimeError, "needs a process group"), ("fsdp2", RuntimeError, "needs a process group")],
)
def test_wrapping_without_a_group_says_what_to_do(strategy, error, words):
    with pytest.raises(error, match=words):
        distribute(small_model(), strategy)
