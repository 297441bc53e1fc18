"""What configs ask of the code is answered where it is composed."""

from __future__ import annotations

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from vclr_pl.config_path import config_folder
from vclr_pl.runner.composition import register_resolvers, run_title


def test_a_config_asks_for_the_short_side_and_the_precision():
    register_resolvers()
    config = OmegaConf.create({"short": "${usual_short_side:224}", "precision": "${faster_precision:mps}"})
    assert config.short == 256
    assert config.precision == "32-true"


def test_the_title_of_a_run_has_what_tells_the_runs_of_a_sweep_apart():
    assert run_title("demo") == "demo"  # outside a command
    words = ["experiment=demo", "logger=wandb", "trainer=cpu", "trainer.devices=2", "data.root=DIR", "trainer.max_epochs=3", "seed=1"]
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        config = compose("train", overrides=words, return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    try:
        assert run_title("demo") == "demo trainer.max_epochs=3 seed=1"
    finally:
        HydraConfig.instance().cfg = None
