"""The report as a page for people: ``report.md`` and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.config import to_dict
from shared.experiment.config import ExperimentConfig
from shared.experiment.report import Report

CURVES = "curves.png"


def write_page(report: Report, folder: Path) -> None:
    """``report.md`` with its tables, and the curves beside it."""
    caption, alt = draw_curves(report, folder / CURVES)
    (folder / "report.md").write_text(_page(report, caption, alt), encoding="utf-8")


def draw_curves(report: Report, path: Path) -> tuple[str, str]:
    """Loss and accuracy over the steps, as a picture; returns its caption and its description in words."""
    from shared.plotting import curve, panels
    from shared.plotting.display import png_bytes

    steps, evaluations = report.history["steps"], report.history["evaluations"]
    figure, (left, right) = panels(1, 2)
    curve(left, *_columns(steps, "loss"), label="training", colour="blue")
    curve(left, *_columns(evaluations, "loss"), label="validation", colour="orange", marker="o")
    left.set(xlabel="step", ylabel="loss", title="Loss")
    left.legend()
    curve(right, *_columns(evaluations, "accuracy"), colour="orange", marker="o")
    right.set(xlabel="step", ylabel="share right", title="Validation accuracy")
    if report.best_step is not None:
        for axes in (left, right):
            axes.axvline(report.best_step, color="#6B7280", linestyle=":", linewidth=1)
    path.write_bytes(png_bytes(figure))
    caption = (
        "Loss and accuracy while training; dotted: the best evaluation. A growing gap between the two losses "
        "means that the model learns its examples by heart."
    )
    return caption, _in_words(report)


def _columns(records: Sequence[dict[str, float]], name: str) -> tuple[list[float], list[float]]:
    return [record["step"] for record in records], [record[name] for record in records]


def _in_words(report: Report) -> str:
    def moved(records: Sequence[dict[str, float]], name: str) -> str:
        values = [record[name] for record in records]
        return f"from {values[0]:.3f} to {values[-1]:.3f}" if values else "nowhere"

    steps, evaluations = report.history["steps"], report.history["evaluations"]
    return (
        f"Curves over {report.steps} steps: the training loss goes {moved(steps, 'loss')}, the validation "
        f"loss {moved(evaluations, 'loss')}, the validation accuracy {moved(evaluations, 'accuracy')}."
    )


def _page(report: Report, caption: str, alt: str) -> str:
    config, data = report.config, report.data
    stopped = "" if report.epochs == config["epochs"] else f" of {config['epochs']}, stopped early"
    metrics = [
        [name, *(str(report.metrics[part][name]) for part in report.metrics)]
        for name in next(iter(report.metrics.values()))
    ]
    facts = [
        ["parameters", f"{report.parameters:,}"],
        ["epochs", f"{report.epochs}{stopped}"],
        ["optimizer steps", f"{report.steps:,}"],
        ["best evaluation", "none" if report.best_step is None else f"at step {report.best_step:,}"],
        ["CPU seconds", f"{report.cpu_seconds:.1f}"],
        *([f"examples, {part}", f"{size:,}"] for part, size in data["sizes"].items()),
    ]
    changed = [[f"`{name}`", f"`{value}`"] for name, value in _unusual(config)]
    parts = [
        f"# {config['model']} on {config['data']}, seed {config['seed']}",
        _table(["", *report.metrics], metrics),
        "In brackets: 95 % bootstrap intervals over the examples. They say how the numbers would move with "
        "other examples of the same kind; what another seed would change they do not say.",
        f"![{alt}]({CURVES})\n\n*{caption}*",
        _table(["the run", ""], facts),
        "## Options\n\nThose that differ from the defaults, and the model's own.\n\n"
        + _table(["option", "value"], changed),
        "## To make it again\n\n```bash\npython -m shared.experiment --from report.json\n```\n\n"
        f"{_promise(config)}\n\n"
        + _table(
            ["SHA-256 of", ""],
            [["the weights", f"`{report.weights}`"], ["the data", f"`{data['fingerprint']}`"]],
        ),
        _table(["made with", ""], [[name, value] for name, value in report.environment.items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _promise(config: dict[str, object]) -> str:
    if config["device"] == "cpu" or config["deterministic"]:
        return "ends in the same weights, to the bit, on a machine like this one."
    return "ends in nearly the same weights; to the bit only where a run is made with `--deterministic`."


def _unusual(config: dict[str, object]) -> list[tuple[str, object]]:
    """What differs from the defaults, by dotted name."""
    found: list[tuple[str, object]] = []

    def walk(values: dict[str, object], usual: object, prefix: str) -> None:
        for name, value in values.items():
            common = usual.get(name) if isinstance(usual, dict) else None
            if isinstance(value, dict):
                walk(value, common, f"{prefix}{name}.")
            elif value != common or not isinstance(usual, dict):
                found.append((prefix + name, value))

    walk(config, to_dict(ExperimentConfig()), "")
    return found


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
