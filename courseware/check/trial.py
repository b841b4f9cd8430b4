"""What a probe or a property gets besides the answers: seeded inputs, and ways to give a verdict."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from courseware.check import rules
from courseware.check.budget import budget
from courseware.check.compare import difference
from courseware.check.describe import describe
from courseware.check.origin import is_stub
from courseware.check.outcomes import Diagnosed, OutOfTime, PropertyMissed, PropertySkipped
from courseware.check.report import Measure

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Attempt:
    """What calling the learner's code gave: a value or an error (`timed_out` is an error too)."""

    value: Any = None
    error: BaseException | None = None

    @property
    def timed_out(self) -> bool:
        return isinstance(self.error, OutOfTime)

    def raised(self, *types: type[BaseException]) -> bool:
        # NotImplementedError is a RuntimeError by descent; a stub's must not be taken for one.
        is_stub = isinstance(self.error, NotImplementedError) and NotImplementedError not in types
        return isinstance(self.error, types) and not is_stub


class Trial:
    """Random inputs come from the seed alone, so that a caller with another seed meets other inputs."""

    def __init__(self, seed: int, name: str) -> None:
        self.seed, self.name = seed, name
        self.random = random.Random(f"{seed}/{name}")
        self.note: str | None = None
        self.measures: list[Measure] = []
        self._generator: torch.Generator | None = None

    # ---- inputs -------------------------------------------------------------------------------------

    @property
    def generator(self) -> torch.Generator:
        import torch

        if self._generator is None:
            self._generator = torch.Generator().manual_seed(self.random.getrandbits(62))
        return self._generator

    def randn(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Standard normal numbers, float64 unless said otherwise."""
        import torch

        wide = torch.randn(shape, generator=self.generator, dtype=torch.float64)
        return wide.to(dtype or torch.float64)

    def rand(
        self, *shape: int, low: float = 0.0, high: float = 1.0, dtype: torch.dtype | None = None
    ) -> torch.Tensor:
        """Uniform numbers in [low, high), float64 unless said otherwise."""
        import torch

        wide = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return (low + (high - low) * wide).to(dtype or torch.float64)

    def randint(self, low: int, high: int, *shape: int) -> torch.Tensor:
        """Whole numbers in low … high−1, int64."""
        import torch

        return torch.randint(low, high, shape, generator=self.generator)

    # ---- verdicts -----------------------------------------------------------------------------------

    def equal(
        self, observed: Any, expected: Any, message: str = "", *, diagnosis: str | None = None, **how: Any
    ) -> None:
        """Hold the observed value against the expected one.

        `how`: rtol, atol, reduction (length of the longest sum), dtype=False to ignore the dtype,
        where="the gradient" to name what is compared. Tolerances follow the coarser dtype by default.
        """
        found = difference(observed, expected, **how)
        if found:
            words = f"{message}: {found.words}" if message else found.words
            self._miss(words, diagnosis, observed=found.observed, expected=found.expected)

    def that(self, holds: bool, message: str, *, diagnosis: str | None = None, **facts: Any) -> None:
        """Miss the property with this message unless the condition holds."""
        if not holds:
            self._miss(message, diagnosis, **facts)

    def reaches(
        self,
        value: float,
        asked: float,
        what: str,
        *,
        at_most: bool = False,
        more: str = "",
        diagnosis: str | None = None,
    ) -> None:
        """Miss the property unless the number reaches what is asked for; the report shows it either way.

        `what` follows the number in a sentence, `more` follows the sentence if it is a bad one.
        """
        measure = Measure(float(value), asked, what, at_most)
        self.measures.append(measure)
        if not measure.reached:  # a NaN reaches nothing
            bound = "at most" if at_most else "at least"
            self._miss(
                f"{measure.value:.3g} {what}, expected {bound} {asked:g}{more and '; ' + more}", diagnosis
            )

    def fail(self, message: str, *, diagnosis: str | None = None, **facts: Any) -> None:
        """Miss the property. `facts` (observed=, expected=, anything) are shown one a line."""
        self._miss(message, diagnosis, **facts)

    def skip(self, why: str) -> NoReturn:
        """Leave this property untried: something that it needs is not installed, and `why` says what.

        It counts neither as held nor as missed, so it must be worth 0 points; the report says so in a line.
        """
        raise PropertySkipped(why)

    def raises(
        self,
        types: type[BaseException] | tuple[type[BaseException], ...],
        call: Callable[[], Any],
        message: str = "",
        *,
        diagnosis: str | None = None,
    ) -> BaseException | None:
        """The call must raise one of these exceptions; gives it back."""
        wanted = types if isinstance(types, tuple) else (types,)
        names = " or ".join(t.__name__ for t in wanted)
        attempt = self.attempt(call)
        if attempt.timed_out:
            raise OutOfTime
        if isinstance(attempt.error, wanted):
            return attempt.error
        prefix = f"{message}: " if message else ""
        if attempt.error is None:
            self._miss(f"{prefix}expected {names}, but it returned {describe(attempt.value)}", diagnosis)
        if isinstance(attempt.error, Diagnosed | PropertyMissed | NotImplementedError):
            raise attempt.error  # refused by a rule, or not written yet
        self._miss(
            f"{prefix}expected {names}, but it raised {type(attempt.error).__name__}: {attempt.error}",
            diagnosis,
        )
        return None

    def attempt(self, call: Callable[[], Any], *, seconds: float | None = None) -> Attempt:
        """Call and keep what happens; with `seconds`, at most so many CPU seconds."""
        try:
            if seconds is None:
                return Attempt(call())
            with budget(seconds):
                return Attempt(call())
        except OutOfTime as error:
            if seconds is None:
                raise
            return Attempt(error=error)
        except Exception as error:
            return Attempt(error=error)

    def tried(self, call: Callable[[], Any], *, seconds: float | None = None) -> Attempt:
        """Like `attempt`, but a refusal by a rule and an answer not yet written go on their way."""
        attempt = self.attempt(call, seconds=seconds)
        if isinstance(attempt.error, Diagnosed) or is_stub(attempt.error):
            raise attempt.error
        return attempt

    def given(self, text: str) -> None:
        """Say what is being tried, for the report, where no watched function shows it (classes)."""
        self.note = text

    def oracle(self) -> Any:
        """`with t.oracle():` lifts the exercise's rules while the check computes what is right."""
        return rules.suspended()

    @contextmanager
    def within(self, seconds: float, message: str, *, diagnosis: str | None = None) -> Iterator[None]:
        """The body must end within so many CPU seconds: a wide guard against the wrong complexity."""
        try:
            with budget(seconds):
                yield
        except OutOfTime:
            self._miss(message, diagnosis)

    def smallest(
        self, cases: Iterable[Any], size: Callable[[Any], float], check: Callable[[Any], None]
    ) -> None:
        """Run `check` on the cases from the smallest up, so that the first failure is the smallest."""
        for case in sorted(cases, key=size):
            check(case)

    def _miss(self, message: str, diagnosis: str | None, **facts: Any) -> None:
        if diagnosis:
            raise Diagnosed(diagnosis, message, **facts)
        raise PropertyMissed(message, **facts)
