"""The known mistakes of E4 in `state_dict` and `load_state_dict`."""

import itertools
import pickle
from typing import Any

from courseware.check import Probes, Trial
from phase1_foundations.lab4_data_loading.checks_by_exercise.e4_world import Row, make, plain, take

probe = Probes()
SIZES = (5, 4, 6)  # 15 rows


def stop(
    a: Any, k: int, *, buffer: int = 0, epoch: int = 0, **how: Any
) -> tuple[dict[str, Any], list[Row], Any, Any]:
    """(state after k rows, all rows of the epoch, the stream, its iterator)."""
    whole = make(a, SIZES, shuffle_buffer=buffer, **how)
    stream = make(a, SIZES, shuffle_buffer=buffer, **how)
    if epoch:
        whole.set_epoch(epoch)
        stream.set_epoch(epoch)
    iterator = iter(stream)
    for _ in range(k):
        next(iterator)
    state = stream.state_dict()
    return pickle.loads(pickle.dumps(state)), take(whole, 100), stream, iterator


def resumed(a: Any, state: dict[str, Any], *, buffer: int = 0, **how: Any) -> Any:
    stream = make(a, SIZES, shuffle_buffer=buffer, **how)
    stream.load_state_dict(pickle.loads(pickle.dumps(state)))
    return stream


@probe("state-is-no-dict")
def no_dict(a: Any, t: Trial) -> str | None:
    stream = make(a, SIZES)
    iterator = iter(stream)
    next(iterator)
    attempt = t.attempt(stream.state_dict)
    if attempt.error is None and not isinstance(attempt.value, dict):
        return f"state_dict() returns a {type(attempt.value).__name__}, expected a dict"
    return None


@probe("state-cannot-be-saved")
def unsaved(a: Any, t: Trial) -> str | None:
    for buffer in (0, 4):
        stream = make(a, SIZES, shuffle_buffer=buffer)
        iterator = iter(stream)
        next(iterator)
        state = stream.state_dict()
        attempt = t.attempt(lambda state=state: pickle.dumps(state))
        if attempt.error is not None:
            return (
                f"the state cannot be pickled ({str(attempt.error)[:80]}): an iterator or generator function "
                "cannot be saved. Save numbers: shard, row, the rows that wait, the state of the random "
                "generator"
            )
    return None


@probe("state-before-the-first-row")
def before_first(a: Any, t: Trial) -> str | None:
    fresh = make(a, SIZES)
    attempt = t.tried(lambda: take(resumed(a, fresh.state_dict()), 100))
    if attempt.error is not None:
        return (
            f"state_dict() before any row, and loading it, raises {type(attempt.error).__name__} "
            f"({str(attempt.error)[:80]}): it describes the start of the epoch"
        )
    return None


@probe("resume-starts-over")
def starts_over(a: Any, t: Trial) -> str | None:
    state, whole, _, _ = stop(a, 6)
    found = take(resumed(a, state), 100)
    if found == whole:
        return (
            "after 6 rows the state was saved, and a stream that loaded it begins at the first row again: "
            "either the place is not in the state, or `__iter__` does not look at it"
        )
    return None


@probe("last-row-again")
def last_again(a: Any, t: Trial) -> str | None:
    state, whole, _, _ = stop(a, 6)
    found = take(resumed(a, state), 100)
    if found == whole[5:]:
        return (
            f"the resumed stream hands out row {whole[5]} again, which was out already when the state was "
            "taken: move on *before* the `yield`, since the function stops there"
        )
    if found == whole[7:]:
        return (
            f"the resumed stream leaves out row {whole[6]}: rows that were handed out count as done, no "
            "others"
        )
    return None


@probe("resume-at-the-shard")
def at_the_shard(a: Any, t: Trial) -> str | None:
    state, whole, _, _ = stop(a, 7)
    found = take(resumed(a, state), 100)
    if found == whole[5:]:
        return (
            "the resumed stream begins at the start of the shard: the row within the shard belongs to the "
            "state"
        )
    if found == whole[9:]:
        return "the resumed stream begins at the *next* shard: the rest of the one that was open is lost"
    if found != whole[7:] and found[:2] == whole[7:9] and len(found) < 8:
        return (
            "the resumed stream goes on rightly and then leaves out the first rows of the next shards "
            f"({found[2:4]} …): the row number is for the shard that was open, the next one begins at 0"
        )
    return None


@probe("waiting-rows-not-in-the-state")
def buffer_lost(a: Any, t: Trial) -> str | None:
    state, whole, _, _ = stop(a, 4, buffer=5)
    found = take(resumed(a, state, buffer=5), 100)
    lost = set(whole[4:]) - set(found)
    if lost:
        return (
            f"after resuming with shuffle_buffer=5, {len(lost)} rows never come: they had been read and "
            "still waited in the buffer. The rows that wait belong to the state"
        )
    if len(found) > 11 or set(found) & set(whole[:4]):
        return (
            f"after 4 of 15 rows a resumed stream yields {len(found)} more, some for the second time: rows "
            "that were handed out count as done"
        )
    return None


@probe("shuffle-starts-again")
def shuffle_restarts(a: Any, t: Trial) -> str | None:
    state, whole, _, _ = stop(a, 4, buffer=5)
    found = take(resumed(a, state, buffer=5), 100)
    if found != whole[4:] and sorted(found) == sorted(whole[4:]):
        first = next(i for i, (x, y) in enumerate(zip(found, whole[4:], strict=True)) if x != y)
        return (
            f"after resuming, the right rows come in another order: the suffix differs at position {first}. "
            "The state of the random generator belongs to the state of the stream"
        )
    return None


@probe("epoch-not-in-the-state")
def epoch_missing(a: Any, t: Trial) -> str | None:
    state, whole, _, _ = stop(a, 3, buffer=5, epoch=2)
    stream = resumed(a, state, buffer=5)
    found = take(stream, 100)
    if found != whole[3:]:
        other = stop(a, 3, buffer=5)[1]
        if found == other[3:] or set(found) != set(whole[3:]) or sorted(found) == sorted(whole[3:]):
            return (
                "a state of epoch 2, loaded into a new stream, goes on with the order of another epoch: "
                "the epoch belongs to the state"
            )
    again = take(stream, 100)
    if again and again not in (whole, whole[3:]):
        return (
            "after the resumed iteration of epoch 2, the next `iter()` should begin epoch 2 at its start; "
            "yours does not"
        )
    return None


@probe("state-moves-on")
def state_alive(a: Any, t: Trial) -> str | None:
    for buffer in (0, 5):
        stream = make(a, SIZES, shuffle_buffer=buffer)
        whole = take(make(a, SIZES, shuffle_buffer=buffer), 100)
        iterator = iter(stream)
        for _ in range(4):
            next(iterator)
        state = stream.state_dict()
        saved = pickle.loads(pickle.dumps(state))
        for _ in range(3):
            next(iterator)
        stream.state_dict()
        right = take(resumed(a, saved, buffer=buffer), 100) == whole[4:]
        if right and take(resumed(a, state, buffer=buffer), 100) != whole[4:]:
            return (
                "the state was taken after 4 rows, the stream went on, and the state changed with it: it "
                "holds the living buffer or cursor. Return copies"
            )
        loaded = make(a, SIZES, shuffle_buffer=buffer)
        loaded.load_state_dict(saved)
        take(loaded, 100)
        if right and take(resumed(a, saved, buffer=buffer), 100) != whole[4:]:
            return (
                "loading a state and going on changed the state that was loaded: copy what you take from it"
            )
    return None


@probe("finished-epoch-starts-over")
def end_starts_over(a: Any, t: Trial) -> str | None:
    for buffer in (0, 5):
        stream = make(a, SIZES, shuffle_buffer=buffer)
        whole = take(stream, 100)
        found = take(resumed(a, stream.state_dict(), buffer=buffer), 100)
        if found and found == whole:
            return (
                "the epoch was over when the state was taken, and a stream that loads it yields all 15 "
                "rows again: nothing was still to come"
            )
        if found:
            return (
                "the epoch was over when the state was taken, and a stream that loads it still yields "
                f"{found[:3]} …"
            )
    return None


@probe("goes-on-for-ever-from-there")
def second_iter(a: Any, t: Trial) -> str | None:
    state, whole, _, _ = stop(a, 6)
    stream = resumed(a, state)
    take(stream, 100)
    again = take(stream, 100)
    if again == whole[6:]:
        return (
            "the second `iter()` after load_state_dict continues at the loaded place again: only the first "
            "one does, a later one begins the epoch at its start"
        )
    if not again:
        return "the second `iter()` after load_state_dict yields nothing: it begins the epoch at its start"
    return None


@probe("place-counts-on")
def counts_on(a: Any, t: Trial) -> str | None:
    for buffer in (0, 5):
        stream = make(a, SIZES, shuffle_buffer=buffer)
        whole = take(stream, 100)
        list(itertools.islice(iter(stream), 4))
        found = take(resumed(a, stream.state_dict(), buffer=buffer), 100)
        if found != whole[4:] and len(whole) == 15:
            return (
                "the epoch was read to its end, then once more, and after 4 rows the state was taken: "
                f"{len(found)} rows come from it, expected 11. A new `iter()` begins to count anew"
            )
    return None


@probe("set-epoch-keeps-the-place")
def set_epoch_keeps(a: Any, t: Trial) -> str | None:
    for epoch in (0, 1):
        state, _, _, _ = stop(a, 6)
        stream = resumed(a, state)
        stream.set_epoch(epoch)
        if len(take(stream, 100)) != 15:
            return (
                f"load_state_dict, then set_epoch({epoch}): the next `iter()` should begin epoch {epoch} at "
                "its start, yours keeps the loaded place"
            )
    return None


@probe("state-lost-after-loading")
def lost_after_loading(a: Any, t: Trial) -> str | None:
    for buffer in (0, 5):
        state, whole, _, _ = stop(a, 6, buffer=buffer)
        once = resumed(a, state, buffer=buffer)
        if take(resumed(a, once.state_dict(), buffer=buffer), 100) != whole[6:]:
            return (
                "state_dict() right after load_state_dict() describes another place than the one that was "
                "loaded: a run that crashes again before its first row would lose it"
            )
        twice = resumed(a, state, buffer=buffer)
        iterator = iter(twice)
        list(itertools.islice(iterator, 3))
        found = take(resumed(a, twice.state_dict(), buffer=buffer), 100)
        if found != whole[9:]:
            return (
                f"resumed after 6 rows, stopped 3 rows later, resumed again: {found[:2]} … came, expected "
                f"{whole[9:11]} …: the place must go on from the loaded one"
            )
    return None


@probe("state-depends-on-the-past")
def past(a: Any, t: Trial) -> str | None:
    stream = make(a, SIZES, shuffle_buffer=5)
    list(itertools.islice(iter(stream), 4))
    stream.set_epoch(1)
    whole = make(a, SIZES, shuffle_buffer=5)
    whole.set_epoch(1)
    expected = take(whole, 100)
    if take(resumed(a, stream.state_dict(), buffer=5), 100) != expected:
        return (
            "set_epoch(1) after some rows of epoch 0: the state should be the start of epoch 1, yours is not"
        )
    iterator = iter(stream)
    found = [plain(next(iterator)) for _ in range(2)]
    if found != expected[:2]:
        return "set_epoch(1) after some rows of epoch 0: the next `iter()` should begin epoch 1 at its start"
    return None
