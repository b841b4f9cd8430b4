"""How a benchmark says whether its claim holds: one line, and the exit status."""


def verdict(name: str, ratio: float, target: float, *, at_least: bool = True) -> int:
    """Print the claim's line and return the exit status: 0 only if the claim holds.

    `ratio` must reach `target`, or with `at_least=False` must not exceed it.
    """
    holds = ratio >= target if at_least else ratio <= target
    print(f"CLAIM {name} ratio={ratio:.3g} target={target:g} {'holds' if holds else 'falls short'}")
    return 0 if holds else 1
