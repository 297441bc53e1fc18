from __future__ import annotations

from typing import Any

import hydra
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytorch_lightning.strategies import DDPStrategy

from vclr_pl.config_path import config_folder
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.devices import devices_of, with_strategy
from vclr_pl.runner.process_launch import CALLED_FROM_PYTHON

PAPER = ("ucf101", "hmdb51", "kinetics400", "ssv2", "activitynet")


@pytest.fixture(params=[0, 1, 8])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A machine with so many GPUs, as torch would report them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    return int(request.param)


def trainer_of(*words: str) -> Any:
    register_resolvers()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        config = hydra.compose("train", overrides=["data.root=videos", "paths.run=run", "trainer.precision=32-true", *words])
    return config.trainer


@pytest.mark.parametrize("experiment", PAPER)
def test_the_papers_experiments_use_all_gpus(experiment: str, gpus: int) -> None:
    chosen = with_strategy(trainer_of(f"experiment={experiment}"))
    assert devices_of(chosen) == max(1, gpus)
    if gpus < 2:
        assert chosen.strategy == "auto"  # no launcher
    else:
        strategy = instantiate(chosen.strategy)
        assert isinstance(strategy, DDPStrategy)
        assert strategy._ddp_kwargs["broadcast_buffers"] is False


@pytest.mark.parametrize(
    ("words", "devices"),
    [(["trainer=cpu"], 1), (["trainer=ddp_cpu"], 2), (["trainer=auto"], 1), (["trainer.devices=4"], 4), (["trainer.devices=[0,3]"], 2)],
    ids=str,
)
def test_the_users_trainer_wins(words: list[str], devices: int, gpus: int) -> None:
    trainer = with_strategy(trainer_of("experiment=ucf101", *words))
    assert devices_of(trainer) == devices
    assert (trainer.strategy == "auto") == (devices == 1)


def test_several_machines_are_data_parallel(gpus: int) -> None:
    assert with_strategy(trainer_of("experiment=ucf101", "trainer.num_nodes=4")).strategy.broadcast_buffers is False


def test_a_strategy_that_is_given_stays(gpus: int) -> None:
    assert with_strategy(trainer_of("experiment=ucf101", "trainer.strategy=ddp_spawn")).strategy == "ddp_spawn"


@pytest.mark.parametrize(("devices", "count"), [("3", 3), ("0,", 1), ("0,2", 2), (-1, 8), ("auto", 8)])
def test_devices_as_lightning_spells_them(devices: Any, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert devices_of(OmegaConf.create({"accelerator": "gpu", "devices": devices})) == count


def test_a_call_from_python_uses_one_gpu_and_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    token = CALLED_FROM_PYTHON.set(True)
    try:
        with caplog.at_level("INFO"):
            chosen = with_strategy(trainer_of("experiment=ucf101"))
    finally:
        CALLED_FROM_PYTHON.reset(token)
    assert (chosen.devices, chosen.strategy) == (1, "auto")
    assert "1 of 8 GPUs: a call from Python is one process" in caplog.text
