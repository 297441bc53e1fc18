"""The precision of the shipped experiments and commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from vclr_pl.config_path import config_folder
from vclr_pl.runner.composition import register_resolvers

CONF = config_folder()


@pytest.fixture(autouse=True, scope="module")
def hydra_reads_conf() -> Iterator[None]:
    register_resolvers()
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        yield


@pytest.mark.parametrize("command", ["train", "finetune"])
def test_a_training_experiment_leaves_its_precision_to_the_machine(command):
    folder = CONF / "experiment" / ("" if command == "train" else command)
    for experiment in sorted(path.relative_to(CONF / "experiment").with_suffix("").as_posix() for path in folder.glob("*.yaml")):
        config = compose(command, overrides=["paths.run=run", f"experiment={experiment}"])
        if fixed := {"benchmark": "32-true", "benchmark_large": "bf16-mixed"}.get(experiment):  # their numbers are compared over machines
            assert config.trainer.precision == fixed
            continue
        assert OmegaConf.is_interpolation(config.trainer, "precision")
        assert "${faster_precision:" in OmegaConf.to_container(config, resolve=False)["trainer"]["precision"]


@pytest.mark.parametrize("command", ["evaluate", "embed", "retrieve", "localize"])
def test_features_that_are_kept_are_float32_on_every_machine(command):
    assert compose(command, overrides=["paths.run=run"]).trainer.precision == "32-true"
