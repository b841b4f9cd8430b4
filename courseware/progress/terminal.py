"""The plain text of the overview, in colour: a terminal shows the same words, only easier to find."""

from rich.console import Console
from rich.text import Text

_STYLES = {
    r"█+": "green",
    r"\b[WE]\d ✓|^ +✓.*$": "green",
    r"\b[WE]\d …|^ +….*$": "yellow",
    r"\b[WE]\d ·|^ +·.*$|░+": "dim",
    r"^(Phase|Your progress|Next|Begin|Every).*$": "bold",
}


def print_in_colour(text: str, console: Console) -> None:
    """Print without rewrapping: the lines are made to stand under each other."""
    styled = Text(text)
    for pattern, style in _STYLES.items():
        styled.highlight_regex(f"(?m){pattern}", style)
    console.print(styled, soft_wrap=True)
