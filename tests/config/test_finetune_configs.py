"""Each column of the published recognition table is a config, to the last figure; each of its files instantiates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from tests.config.finetuning_choices import FINETUNE_EXPERIMENTS, OF_FINETUNING

from vclr_pl.config_path import config_folder
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.log import warning_filters
from vclr_pl.runner.schema import refuse_unknown_keys

RANDOM_CROP, FIXED_CROP = "RandomResizedVideoCrop", "MultiScaleVideoCrop"
ROWS = {  # key: what the published table calls it, column by column
    "data._target_": "vclr_pl.datasets.{0}.{0}",
    "sampling.segments": "training segments",
    "loader.batch_size": "videos a device, of 8",
    "optimizer.reference_batch_size": "videos of all devices",
    "optimizer.lr": "lr",
    "optimizer.momentum": "momentum",
    "optimizer.weight_decay": "weight decay",
    "parameter_groups._target_": "parameter groups",
    "schedule.decay_epochs": "steps",
    "schedule.decay_factor": "gamma",
    "trainer.max_epochs": "epochs",
    "trainer.gradient_clip_val": "gradient clip L2",
    "recognizer.dropout": "dropout",
    "recognizer.head_std": "head init std",
    "recognizer.shift": "shift",
    "transform._target_": "training crop",
    "transform.size_pixels": "its size",
    "transform.short_side_pixels": "short side",
    "color_augmentation.flip_probability": "flip",
    "evaluation_view.segments": "test segments",
    "evaluation_view.crops": "test crops",
    "evaluation_view.crop_pixels": "their size",
    "evaluation_view.short_side_pixels": "short side at test",
}
UNIFORM, OWN = "UniformGroups", "ShiftedNetworkGroups"
COLUMNS = {
    "ucf101_tsn": ["ucf101", 3, 32, 256, 0.01, 0.9, 5e-4, UNIFORM, [120, 240], 0.1, 300, 40, 0.4, 0.001, None],
    "hmdb51_tsn": ["hmdb51", 8, 32, 256, 0.025, 0.9, 1e-4, UNIFORM, [20, 40], 0.1, 50, 40, 0.4, 0.01, None],
    "ssv2_tsn": ["ssv2", 8, 16, 128, 0.02, 0.9, 1e-4, UNIFORM, [20, 40], 0.1, 50, 40, 0.5, 0.01, None],
    "ssv2_tsm": ["ssv2", 8, 6, 48, 0.0075, 0.9, 5e-4, OWN, [20, 40], 0.1, 50, 20, 0.5, 0.001, 8],
    "ssv2_tsm16": ["ssv2", 16, 6, 48, 0.0075, 0.9, 5e-4, OWN, [20, 40], 0.1, 50, 20, 0.5, 0.001, 16],
    "activitynet_tsn": ["activitynet", 8, 8, 64, 0.01, 0.9, 1e-4, UNIFORM, [20, 40], 0.1, 50, 40, 0.8, 0.01, None],
}
VIEWS = {
    "ucf101_tsn": [RANDOM_CROP, 224, 256, 0.5, 25, "center", 256, 256],
    "hmdb51_tsn": [RANDOM_CROP, 224, 256, 0.5, 8, "center", 256, 256],
    "ssv2_tsn": [FIXED_CROP, 224, 256, 0.0, 8, "ten", 224, 256],
    "ssv2_tsm": [FIXED_CROP, 224, 256, 0.0, 8, "center", 224, 256],
    "ssv2_tsm16": [FIXED_CROP, 224, 256, 0.0, 16, "center", 224, 256],
    "activitynet_tsn": [RANDOM_CROP, 224, 256, 0.5, 25, "three", 256, 256],
}


@pytest.fixture(autouse=True, scope="module")
def hydra_reads_conf() -> Iterator[None]:
    register_resolvers()
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        yield


@pytest.fixture(autouse=True)
def quiet() -> None:
    warning_filters()


def composed(*overrides: str) -> DictConfig:
    return compose("finetune", overrides=["paths.run=run", "encoder=random", *overrides])


def figure(config: DictConfig, key: str) -> object:
    """A value of the config; of a call its last name, of a shift its number of segments."""
    value = OmegaConf.select(config, key)
    if key == "recognizer.shift":
        return None if value is None else value.segments
    if key.endswith("_target_"):
        return value.rsplit(".", 1)[-1]
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def test_every_column_is_there():
    assert set(FINETUNE_EXPERIMENTS) == {*COLUMNS, "demo", "folder"}
    assert len(OF_FINETUNING) == 9 + 2 + 3 + 8


@pytest.mark.parametrize("experiment", COLUMNS)
def test_the_published_figures(experiment):
    config = composed(f"experiment=finetune/{experiment}")
    assert {key: figure(config, key) for key in ROWS} == dict(zip(ROWS, [*COLUMNS[experiment], *VIEWS[experiment]], strict=True))
    assert config.name == experiment
    assert (config.loader.batch_size * 8, config.mode) == (config.optimizer.reference_batch_size, "full")
    assert config.color_augmentation.mean == [0.485, 0.456, 0.406]
    assert config.color_augmentation.std == [0.229, 0.224, 0.225]
    if "tsm" in experiment:
        factors = config.parameter_groups
        assert (factors.head_weight_factor, factors.head_bias_factor, factors.bias_factor) == (5, 10, 2)
        assert (config.transform.positions, config.recognizer.shift.divisor, config.recognizer.dropout_over) == (13, 8, "segment")
    elif "ssv2" in experiment:
        assert (config.transform.positions, config.recognizer.dropout_over) == (5, "video")
    if "ssv2" in experiment:
        assert config.transform.scales == [1, 0.875, 0.75, 0.66]
    else:
        assert config.transform.scale == [0.08, 1.0]


@pytest.mark.parametrize("choice", OF_FINETUNING)
def test_it_composes_and_instantiates(choice, tmp_path):
    group, _, name = choice.partition("/") if choice.startswith("experiment/") else choice.rpartition("/")
    config = composed(f"{group}={name}", "data.root=here", "backbone=resnet18", f"paths.run={tmp_path}")
    refuse_unknown_keys(config, config_name="finetune")
    start = instantiate(config.start)("random", backbone=instantiate(config.backbone))
    recognizer = instantiate(config.recognizer)(backbone=start.network, classes=3)
    module = instantiate(config.module)(recognizer=recognizer)
    assert sum(len(group.parameters) for group in module.groups()) == len(list(recognizer.parameters()))
    for node in ("sampling", "decoding", "transform", "color_augmentation", "evaluation_view", "loader", "evaluation", "bootstrap"):
        assert instantiate(config[node]) is not None
    callbacks = [instantiate(node) for node in config.callback.values() if not node.get("_partial_")]
    assert instantiate(config.trainer, callbacks=callbacks, logger=False).gradient_clip_val == config.trainer.gradient_clip_val
