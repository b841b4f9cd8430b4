"""The configurations of models, optimizers and schedules survive a file."""

import pytest

from shared.config import ConfigError, from_dict, load_yaml, save_yaml, to_dict
from shared.models import CATALOGUE
from shared.optim import OptimizerConfig, ScheduleConfig

CONFIGS = {
    **{name: info.config for name, info in CATALOGUE.items()},
    "optimizer": OptimizerConfig("adamw", lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1),
    "schedule": ScheduleConfig("plateau", warmup=10, mode="max", patience=3),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_a_configuration_survives_a_file(config, tmp_path) -> None:
    save_yaml(config, tmp_path / "config.yaml")
    assert load_yaml(type(config), tmp_path / "config.yaml") == config


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_an_unknown_key_is_refused_by_name(config) -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        from_dict(type(config), {**to_dict(config), "nonsense": 1})


def test_an_option_of_another_optimizer_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="adam has no momentum"):
        from_dict(OptimizerConfig, {"name": "adam", "momentum": 0.9})
