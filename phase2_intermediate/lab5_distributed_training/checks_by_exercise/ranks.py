"""Runs cases on several ranks at once, and keeps what each rank saw, however the run ends.

A case is a function `(answers, me) -> anything`: it runs on every rank, with the learner's own objects. All
cases of an exercise travel in one job, since starting processes is what costs. The first case that raises, or
hangs, ends the job; the facts of the cases before it are kept.
"""

from __future__ import annotations

import dis
import re
import tempfile
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import cloudpickle
import torch
import torch.distributed as dist

from courseware.check import Trial
from shared.distributed import LaunchTimeout, RankFailed, ready_ranks

CPU_SECONDS = 4.0
SECONDS = 25.0

POINT_TO_POINT = ("send", "recv", "recv_anysource")
COLLECTIVES = (
    *("allreduce", "allreduce_coalesced", "broadcast", "reduce", "gather", "scatter", "barrier", "alltoall"),
    *("allgather", "_allgather_base", "all_gather_single", "allgather_coalesced", "alltoall_base"),
    *("reduce_scatter", "_reduce_scatter_base", "reduce_scatter_single", "all_to_all_single"),
    *("all_gather_single_coalesced", "allgather_into_tensor_coalesced", "monitored_barrier"),
)


class Refused(Exception):
    """A function that the exercise does not allow was called."""


@dataclass
class Message:
    """One call of the process group: which, how much, to whom or from whom."""

    call: str
    numbers: int
    itemsize: int
    peer: int | None = None

    @property
    def bytes(self) -> int:
        return self.numbers * self.itemsize


@dataclass
class Me:
    """What a case knows about its rank."""

    rank: int
    world: int
    seed: int
    folder: Path
    data: Any = None
    messages: list[Message] = field(default_factory=list)
    trace: Any = None  # the same calls, in a file that outlives a rank which is ended
    watching: bool = False
    refused: str | None = None

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """What the check itself sends is neither noted nor refused."""
        before, self.watching = self.watching, False
        try:
            yield
        finally:
            self.watching = before

    def randn(self, *shape: int, dtype: torch.dtype = torch.float64, key: int = 0) -> list[torch.Tensor]:
        """One random tensor for each rank, the same list on all of them."""
        generator = torch.Generator().manual_seed(self.seed * 1009 + key)
        draw = partial(torch.randn, shape, generator=generator, dtype=torch.float64)
        return [draw().to(dtype) for _ in range(self.world)]

    def note(self, event: str) -> None:
        """Put an event among the messages, where their order matters."""
        if self.watching:
            self.log(Message(event, 0, 0))

    def log(self, message: Message) -> None:
        self.messages.append(message)
        if self.trace is not None:
            self.trace.write(f"{message.call}\n".encode())

    def pending(self) -> int:
        """How many messages were begun and not waited for."""
        calls = [message.call for message in self.messages]
        return sum(calls.count(name) for name in POINT_TO_POINT) - calls.count("wait")

    def sent(self) -> list[Message]:
        return [message for message in self.messages if message.call == "send"]


@dataclass
class Raised:
    """An exception that a case expected might come: which, in words."""

    kind: str
    text: str
    line: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}" + (f" ({self.line})" if self.line else "")


def attempt(call: Callable[[], Any]) -> Any:
    """What the call returns, or a `Raised`; for calls that all ranks must refuse alike."""
    try:
        return call()
    except Refused:
        raise
    except Exception as error:
        return Raised(type(error).__name__, str(error).splitlines()[0][:200] if str(error) else "")


# ---- on the ranks -------------------------------------------------------------------------------------


def _run_cases(
    folder: str,
    objects: dict[str, Any],
    cases: Sequence[Callable[..., Any]],
    seed: int,
    refuse: str,
    data: Any,
) -> None:
    torch.set_num_threads(1)
    me = Me(dist.get_rank(), dist.get_world_size(), seed, Path(folder), data)
    _watch(me, refuse)
    answers = types.SimpleNamespace(**objects)
    for case in cases:
        (me.folder / f"begun-{me.rank}").write_text(case.__name__)
        me.trace = (me.folder / f"calls-{me.rank}").open("wb", buffering=0)
        me.messages.clear()
        torch.manual_seed(seed)
        me.watching = True
        value: Any
        try:
            value = case(answers, me)
        except Refused as refusal:
            value = refusal
        me.watching = False
        if me.refused:  # also when the learner's code has swallowed the exception
            value = Refused(me.refused)
        part = me.folder / f".{case.__name__}-{me.rank}"
        part.write_bytes(cloudpickle.dumps(value))
        part.rename(me.folder / f"fact-{case.__name__}-{me.rank}")
        if isinstance(value, Refused):
            raise value


def _watch(me: Me, refuse: str) -> None:
    """Note every call of the process group; refuse those that the exercise forbids."""

    def watch(name: str, forbidden: bool) -> None:
        original = getattr(dist.ProcessGroup, name, None)
        if original is None:
            return

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if me.watching:
                message = _message(name, args)
                me.log(message)
                if forbidden:
                    me.refused = name
                    raise Refused(name)
                _peer_exists(message, self.size())
            return original(self, *args, **kwargs)

        setattr(dist.ProcessGroup, name, _as_torch(call))

    def wait(self: dist.Work, *args: Any, _wait: Any = dist.Work.wait, **kwargs: Any) -> Any:
        me.note("wait")
        return _wait(self, *args, **kwargs)

    dist.Work.wait = _as_torch(wait)  # type: ignore[method-assign]
    for name in POINT_TO_POINT:
        watch(name, False)
    for name in COLLECTIVES:
        watch(name, refuse == "collectives")
    for owner, name in _CLASSES.get(refuse, ()):
        _refuse_class(owner, name, me)


def _peer_exists(message: Message, size: int) -> None:
    """Torch would wait minutes for a rank that there is not."""
    if message.call in ("send", "recv") and message.peer not in (None, *range(size)):
        toward = "to" if message.call == "send" else "from"
        raise ValueError(f"{message.call} {toward} rank {message.peer}: the ranks are 0 … {size - 1}")


def _as_torch(function: Any) -> Any:
    """On a stack this stands for torch: where a rank waits is told by the line that called it."""
    function.__code__ = function.__code__.replace(co_filename=dist.__file__)
    return function


_CLASSES: dict[str, tuple[tuple[Any, str], ...]] = {
    "ddp": ((torch.nn.parallel.DistributedDataParallel, "DistributedDataParallel"),),
    "optimizers": ((torch.optim.Optimizer, "torch's own optimizers"),),
}


def _refuse_class(owner: Any, name: str, me: Me) -> None:
    original = owner.__init__

    def refused(self: Any, *args: Any, **kwargs: Any) -> None:
        if me.watching:
            me.refused = name
            raise Refused(name)
        original(self, *args, **kwargs)

    owner.__init__ = refused


def _message(name: str, args: tuple[Any, ...]) -> Message:
    first = args[0] if args else None
    tensors = [first] if isinstance(first, torch.Tensor) else list(first) if isinstance(first, list) else []
    tensors = [t for t in tensors if isinstance(t, torch.Tensor)]
    peer = args[1] if name in POINT_TO_POINT and len(args) > 1 and isinstance(args[1], int) else None
    return Message(name, sum(t.numel() for t in tensors), tensors[0].element_size() if tensors else 0, peer)


# ---- in the check ---------------------------------------------------------------------------------------


@dataclass
class Stopped:
    """Why a job ended early, and where its ranks were."""

    kind: str  # "deadlock", "too long", "raised", "died"
    case: str
    rank: int
    words: str
    where: dict[int, str]  # the function in which each rank waited
    pending: dict[int, int]  # messages begun and not waited for

    @property
    def sizes_differ(self) -> bool:
        """Gloo ends a process whose buffer has another size than the message that has come."""
        return "SIGABRT" in self.words

    @property
    def request_lost(self) -> bool:
        """Gloo turns in circles when the request of a message is gone before the message is."""
        busy = self.kind == "too long" and self.all_in("send", "recv", "wait")
        return busy and any(count > 0 for count in self.pending.values())

    def all_in(self, *names: str) -> bool:
        return bool(self.where) and all(place in names for place in self.where.values())


@dataclass
class Outcome:
    """What is known about a job: the facts of each case by rank, and how it ended."""

    facts: dict[str, list[Any]]
    stopped: Stopped | None

    def of(self, case: Callable[..., Any] | str) -> list[Any] | None:
        """The facts of all ranks in a case, or None if not all of them got there."""
        found = self.facts.get(case if isinstance(case, str) else case.__name__)
        return None if not found or any(isinstance(fact, Refused) for fact in found) else found

    @property
    def refused(self) -> str | None:
        for found in self.facts.values():
            for fact in found:
                if isinstance(fact, Refused):
                    return str(fact)
        return None


_outcomes: weakref.WeakKeyDictionary[Any, dict[Any, Outcome]] = weakref.WeakKeyDictionary()


def on_ranks(
    a: Any,
    t: Trial,
    names: Sequence[str],
    cases: Sequence[Callable[..., Any]],
    *,
    ranks: int = 2,
    refuse: str = "",
    cpu_seconds: float = CPU_SECONDS,
    data: Any = None,
    modules: Sequence[str] = (),
) -> Outcome:
    """Run the cases on the learner's objects of these names; once for each run of the check.

    `data` is what cases find in `me.data`; `modules` are loaded beforehand, once for all.
    """
    key = (ranks, t.seed, tuple(case.__name__ for case in cases))
    known = _outcomes.setdefault(a, {})
    if key not in known:
        objects = {name: a.raw(name) for name in names}
        for value in objects.values():
            raise_if_stub(value)
        job = partial(_run_cases, objects=objects, cases=tuple(cases), seed=t.seed, refuse=refuse, data=data)
        names_of_modules = (*modules, *_modules(objects, cases))
        known[key] = _launch(job, [case.__name__ for case in cases], ranks, cpu_seconds, names_of_modules)
    return known[key]


def _launch(
    job: Callable[[str], None], cases: list[str], ranks: int, cpu_seconds: float, modules: Sequence[str]
) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="cases-") as name:
        stopped = None
        try:
            ready_ranks().run(
                job, name, ranks=ranks, timeout=SECONDS, cpu_seconds=cpu_seconds, modules=modules
            )
        except RankFailed as failure:
            stopped = _stopped(failure, Path(name))
        facts = {
            case: [
                cloudpickle.loads(path.read_bytes())
                for rank in range(ranks)
                if (path := Path(name, f"fact-{case}-{rank}")).exists()
            ]
            for case in cases
        }
    complete = {
        case: found
        for case, found in facts.items()
        if len(found) == ranks or any(isinstance(fact, Refused) for fact in found)
    }
    return Outcome(complete, stopped)


def _modules(objects: dict[str, Any], cases: Sequence[Callable[..., Any]]) -> tuple[str, ...]:
    """What ranks would load: this lab's own modules, but none of the learner's, which may change."""
    lab = __name__.rpartition(".checks_by_exercise")[0]
    names = {getattr(value, "__module__", "") or "" for value in (*objects.values(), *cases)}
    return (__name__, "shared.data", *sorted(name for name in names if name.startswith(f"{lab}.")))


_OF_COLLECTIVES = (
    "\nA collective returns only when every rank calls it, in the same order, with the same shapes."
)


def _stopped(failure: RankFailed, folder: Path) -> Stopped:
    text = str(failure)
    begun = {int(path.name[6:]): path.read_text() for path in folder.glob("begun-*")}
    where = {}
    for rank, place in re.findall(r"^  rank (\d+) (.*)$", text, re.MULTILINE):
        called = re.match(r"was in (\w+), called at", place)
        where[int(rank)] = called[1] if called else "finished" if "finished" in place else place
    if isinstance(failure, LaunchTimeout):
        kind = "deadlock" if "waited for each other" in text else "too long"
    else:
        kind = "raised" if "failed:" in text else "died"
    if where and set(where.values()) <= {"send", "recv", "wait", "finished"}:
        text = text.replace(_OF_COLLECTIVES, "")
    if "SIGABRT" in text:
        text += ". Gloo ends a process so when a message has another size than the buffer that waits for it"
    return Stopped(
        kind, begun.get(failure.rank, ""), failure.rank, _without_ours(text), where, _pending(folder)
    )


def _pending(folder: Path) -> dict[int, int]:
    calls = {int(path.name[6:]): path.read_text().split() for path in folder.glob("calls-*")}
    begun = ("send", "recv", "recv_anysource")
    return {rank: sum(c in begun for c in found) - found.count("wait") for rank, found in calls.items()}


def _without_ours(text: str) -> str:
    """A traceback without the frames of this file, and without the lines below them."""
    text = re.sub(r"Traceback \(most recent call last\):\n", "", text)
    kept, skipping = [], False
    for line in text.splitlines():
        if line.startswith('  File "'):
            skipping = "/checks_by_exercise/" in line or "/torch/" in line
            line = re.sub(r'File "[^"]*", line (\d+), in (\S+)', r"line \1 of \2", line)
        elif not line.startswith("    "):
            skipping = False
        if not skipping:
            kept.append(line)
    return "\n".join(line for line in kept if line.strip())


# ---- answers that nobody has begun ---------------------------------------------------------------------


def raise_if_stub(value: Any) -> None:
    """Call what is nothing but `raise NotImplementedError`, here and not on a rank: it raises at once."""
    functions = (
        [f for f in vars(value).values() if callable(f) or isinstance(f, property)]
        if isinstance(value, type)
        else [value]
    )
    for function in functions:
        function = getattr(function, "__wrapped__", function)
        if isinstance(function, FunctionType) and _is_stub(function):
            count = function.__code__.co_argcount
            result = function(*[None] * count)
            if result is not None:  # a generator raises when it is begun
                next(iter(result))


def _is_stub(function: FunctionType) -> bool:
    instructions = [i.opname for i in dis.get_instructions(function)]
    return function.__code__.co_names == ("NotImplementedError",) and "RAISE_VARARGS" in instructions


# ---- what probes and properties of several exercises say ------------------------------------------------

REQUEST_LOST = (
    "the ranks turn in circles inside of torch, waiting for messages. That happens when a request of "
    "`isend` or `irecv` is thrown away before its message has gone: keep each, and call its `wait()`"
)


def need(t: Trial, outcome: Outcome, case: Callable[..., Any]) -> list[Any]:
    """The facts of a case; misses the property with the reason if the job did not get through it."""
    found = outcome.of(case)
    if found is None:
        words = outcome.stopped.words if outcome.stopped else "a function was called that is not allowed here"
        t.fail(f"not reached on all ranks: {words}")
    return found or []
