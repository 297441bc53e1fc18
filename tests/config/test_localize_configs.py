"""Every choice of localization is composed and instantiated; the published figures are the defaults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vclr_pl.config_path import config_folder
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.log import warning_filters
from vclr_pl.runner.schema import refuse_unknown_keys

CONF = config_folder()
PUBLISHED = {
    "extractor.snippet_frames": 16,
    "resampling.positions": 100,
    "resampling.points_per_position": 3,
    "localizer.boundary_ratio": 0.5,
    "localizer.samples": 32,
    "localizer.points_per_sample": 3,
    "localizer.hidden_1d": 256,
    "localizer.hidden_2d": 128,
    "localizer.hidden_3d": 512,
    "localizer_module.boundary_map.window_positions": 3,
    "localizer_module.loss.boundary_weight": 1.0,
    "localizer_module.loss.regression_weight": 10.0,
    "localizer_module.loss.classification_weight": 1.0,
    "localizer_module.loss.boundary_threshold": 0.5,
    "localizer_module.loss.high_tiou": 0.7,
    "localizer_module.loss.low_tiou": 0.3,
    "localizer_module.loss.classification_threshold": 0.9,
    "localizer_module.loss.balance_range": [1.05, 21.0],
    "localizer_module.optimizer._target_": "torch.optim.Adam",
    "localizer_module.optimizer.lr": 1e-3,
    "localizer_module.optimizer.weight_decay": 1e-4,
    "localizer_module.schedule.milestones": [7],
    "localizer_module.schedule.gamma": 0.1,
    "trainer.max_epochs": 9,
    "batches.batch_size": 16,
    "proposing.maker.likely_fraction": 0.5,
    "proposing.maker.alpha": 0.4,
    "proposing.maker.low_threshold": 0.5,
    "proposing.maker.high_threshold": 0.9,
    "proposing.maker.maximum_proposals": 100,
    "subset": "validation",
}
OWN = ["untrimmed.annotations=videos.json"]
CHOICES = [
    *(f"localizer={path.stem}" for path in (CONF / "localizer").glob("*.yaml")),
    *(f"untrimmed={path.stem}" for path in (CONF / "untrimmed").glob("*.yaml")),
    *(f"experiment=localize/{path.stem}" for path in (CONF / "experiment" / "localize").glob("*.yaml")),
]


@pytest.fixture(autouse=True, scope="module")
def hydra_reads_conf() -> Iterator[None]:
    register_resolvers()
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        yield


@pytest.fixture(autouse=True)
def quiet() -> None:
    warning_filters()


def composed(*overrides: str) -> DictConfig:
    return compose("localize", overrides=["paths.run=run", *overrides])


def test_the_count_of_choices() -> None:
    assert sorted(CHOICES) == [
        *("experiment=localize/activitynet", "experiment=localize/demo"),
        *("localizer=bmn", "localizer=small_bmn"),
        *("untrimmed=demo", "untrimmed=demo_large", "untrimmed=own"),
    ]


@pytest.mark.parametrize("choice", CHOICES)
def test_it_composes_instantiates_and_takes_a_step(choice: str, tmp_path: Path) -> None:
    """Everything but the videos, which tests/integration/test_localize.py reads."""
    needs = [] if "demo" in choice else ["untrimmed.root=here"] if "activitynet" in choice else OWN
    config = composed(choice, *needs, f"paths.run={tmp_path}", "resampling.positions=10")
    refuse_unknown_keys(config, config_name="localize")
    for name in ("protocol", "loader", "extractor", "resampling", "batches", "preview", "page", "progress"):
        assert instantiate(config[name]) is not None
    assert instantiate(config.proposing, folder=str(tmp_path)).maker.maximum_proposals == 100
    module = instantiate(config.localizer_module)(localizer=instantiate(config.localizer)(feature_dim=5))
    callbacks = [instantiate(node) for node in config.callback.values()]
    assert instantiate(config.trainer, callbacks=callbacks, logger=False).max_epochs == config.trainer.max_epochs
    configured = module.configure_optimizers()
    prediction = module.localizer(torch.zeros(1, 5, 10))
    assert prediction.regression.shape == (1, 10, 10)
    assert configured["lr_scheduler"]["interval"] == "epoch"


@pytest.mark.parametrize("overrides", [OWN, ["experiment=localize/activitynet", "untrimmed.root=here"]])
def test_the_published_figures_are_the_defaults(overrides: list[str]) -> None:
    config = composed(*overrides)
    found = {key: OmegaConf.select(config, key) for key in PUBLISHED}
    assert {key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value for key, value in found.items()} == PUBLISHED


def test_activitynets_file_is_looked_for_among_its_videos() -> None:
    config = composed("experiment=localize/activitynet", "untrimmed.root=here")
    assert config.untrimmed.annotations == "here/activity_net.v1-3.min.json"


def test_the_published_network_has_its_size() -> None:
    """As mmaction2's BMN with 400 features; its sampling mask, a constant, is none of ours."""
    network = instantiate(composed(*OWN).localizer)(feature_dim=400)
    first, groups = 256, 4
    boundary = 2 * (first * first // groups * 3 + first + first + 1)
    base = (400 // groups) * first * 3 + first + first * first // groups * 3 + first
    proposal = first * first * 3 + first + 512 * first * 32 + 512 + 512 * 128 + 128 + 2 * (128 * 128 * 9 + 128) + 2 * 128 + 2
    assert sum(parameter.numel() for parameter in network.parameters()) == base + boundary + proposal
