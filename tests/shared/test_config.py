"""Configurations survive every round trip, and a mistake in one is named."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.command_line import from_command_line, usage
from shared.config import ConfigError, from_dict, leaves, load_yaml, option, save_yaml, to_dict
from shared.train.config import CheckpointConfig, StoppingConfig, TrainConfig


@dataclass(frozen=True)
class Inner:
    rate: float = option(0.1, "how fast")
    folder: Path | None = option(None, "where")


@dataclass(frozen=True)
class Outer:
    name: str = option("x", "what it is called")
    mode: Literal["min", "max"] = option("min", "which way")
    verbose: bool = option(False, "say more")
    steps: int | None = option(None, "how many")
    betas: tuple[float, float] = option((0.9, 0.99), "decay rates")
    widths: list[int] = field(default_factory=lambda: [1, 2])
    more: dict[str, float] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)


numbers = st.floats(allow_nan=False)
names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]))
outers = st.builds(
    Outer,
    name=names,
    mode=st.sampled_from(["min", "max"]),
    verbose=st.booleans(),
    steps=st.none() | st.integers(),
    betas=st.tuples(numbers, numbers),
    widths=st.lists(st.integers()),
    more=st.dictionaries(names, numbers),
    inner=st.builds(
        Inner, rate=numbers, folder=st.none() | names.filter(lambda text: text not in ("", ".")).map(Path)
    ),
)


@given(outers)
def test_what_is_written_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, config: Outer) -> None:
    assert from_dict(Outer, to_dict(config)) == config
    path = tmp_path_factory.getbasetemp() / "config.yaml"
    save_yaml(config, path)
    assert load_yaml(Outer, path) == config


@given(outers)
def test_the_command_line_can_say_everything_that_a_file_can(config: Outer) -> None:
    def words(holder: object, prefix: str = "--") -> list[str]:
        said = []
        for each in fields(holder):  # type: ignore[arg-type]
            value = getattr(holder, each.name)
            if each.name == "inner":
                said += words(value, "--inner.")
            elif each.name == "folder" and value in (Path("null"), Path("none")):
                said.append(f"{prefix}folder=./{value}")  # the two words that mean no folder
            elif isinstance(value, str | Path):
                said.append(f"{prefix}{each.name}={value}")
            elif each.name != "more":  # has no spelling of its own
                plain = list(value) if isinstance(value, tuple) else value
                text = yaml.safe_dump(plain, default_flow_style=True).removesuffix("\n...\n")
                said.append(f"{prefix}{each.name}={text}")
        return said

    expected = Outer(**{**vars(config), "more": {}})
    assert from_command_line(Outer, words(config)) == expected


def test_defaults_fill_what_is_absent() -> None:
    assert from_dict(TrainConfig, {}) == TrainConfig()
    assert from_dict(TrainConfig, {"stopping": {"patience": 3}}).stopping == StoppingConfig(patience=3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 1}, 'there is no option "epoch": did you mean "epochs"?'),
        ({"stopping": {"patiense": 1}}, 'there is no option "stopping.patiense": did you mean "patience"?'),
        ({"epochs": "many"}, "epochs should be a whole number, but it is 'many'"),
        ({"epochs": True}, "epochs should be a whole number, but it is True"),
        ({"epochs": 2.5}, "epochs should be a whole number, but it is 2.5"),
        ({"clip_norm": "big"}, "clip_norm should be a number, but it is 'big'"),
        ({"clip_norm": -1}, "clip_norm should be positive, or null to clip nothing, but it is -1.0"),
        ({"clip_norm": float("nan")}, "clip_norm should be positive"),
        ({"accumulate": 0}, "accumulate should be at least 1, but it is 0"),
        ({"progress": "yes"}, "progress should be true or false, but it is 'yes'"),
        ({"precision": "fp8"}, "precision should be one of 'auto', 'fp32', 'bf16', 'fp16', but it is 'fp8'"),
        ({"stopping": 3}, "stopping should be a mapping, but it is 3"),
        ({"stopping": {"patience": 0}}, "stopping.patience should be at least 1, but it is 0"),
        ({"checkpoint": {"resume": True}}, "checkpoint.resume and every need a folder"),
    ],
)
def test_a_mistake_is_named_in_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        from_dict(TrainConfig, values)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epoch", "1"], 'there is no option "--epoch": did you mean "epochs"?'),
        (["--patience", "1"], 'there is no option "--patience": did you mean "stopping.patience"?'),
        (["--epochs"], 'option "--epochs" needs a value'),
        (["epochs", "1"], 'expected an option such as "--epochs", but got "epochs"'),
        (["--epochs", "[1"], "epochs should be a whole number"),
        (["--config", "a.yaml", "--config", "b.yaml"], "--config was given 2 times"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: cannot be read: No such file"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        from_command_line(TrainConfig, arguments)
    assert message in str(raised.value)


def test_a_wrong_length_says_both_lengths() -> None:
    with pytest.raises(ConfigError, match="betas should have 2 values, but it has 3"):
        from_dict(Outer, {"betas": [1, 2, 3]})


def test_yaml_may_write_a_number_in_exponent_form(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("clip_norm: 1e-3")  # which YAML itself reads as text
    assert load_yaml(TrainConfig, path).clip_norm == 1e-3


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("epochs: [1")
    with pytest.raises(ConfigError, match=r"config\.yaml: .*line 1"):
        load_yaml(TrainConfig, path)
    path.write_text("epocs: 3")
    with pytest.raises(ConfigError, match=r'config\.yaml: there is no option "epocs"'):
        load_yaml(TrainConfig, path)
    path.write_text("")
    assert load_yaml(TrainConfig, path) == TrainConfig()


def test_the_command_line_outranks_the_file_and_the_last_word_counts(tmp_path: Path) -> None:
    base = TrainConfig(epochs=7, seed=5, checkpoint=CheckpointConfig(folder=Path("runs")))
    save_yaml(base, tmp_path / "base.yaml")
    arguments = ["--seed", "1", "--seed=2", "--config", str(tmp_path / "base.yaml"), "--checkpoint.keep", "9"]
    config = from_command_line(TrainConfig, arguments)
    assert (config.epochs, config.seed, config.checkpoint) == (
        7,
        2,
        CheckpointConfig(folder=Path("runs"), keep=9),
    )


def test_switches_need_no_value_and_hyphens_stand_for_underscores() -> None:
    words = "--deterministic --no-progress --clip-norm null --log-every 1"
    config = from_command_line(TrainConfig, words.split())
    assert (config.deterministic, config.progress, config.clip_norm, config.log_every) == (
        True,
        False,
        None,
        1,
    )


def test_the_keys_of_a_mapping_are_dotted_too() -> None:
    assert from_command_line(Outer, ["--more.a", "1", "--more.b=2.5"]).more == {"a": 1.0, "b": 2.5}
    with pytest.raises(ConfigError, match=r'no option "--inner.a"'):
        from_command_line(Outer, ["--inner.a", "1"])


def test_a_folder_may_look_like_a_number() -> None:
    assert from_command_line(TrainConfig, ["--checkpoint.folder", "007"]).checkpoint.folder == Path("007")


def test_usage_explains_every_option() -> None:
    lines = usage(TrainConfig).split("\n")[1:]
    assert [line.split()[0] for line in lines] == [f"--{name}" for name, _ in leaves(TrainConfig)]
    assert all(len(line.split()) > 3 for line in lines)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"epochs: !!python/object/apply:os.mkdir ['{tmp_path}/made']")
    with pytest.raises(ConfigError):
        load_yaml(TrainConfig, path)
    assert not (tmp_path / "made").exists()
