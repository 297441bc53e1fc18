"""A fine-tuning run from its config: random weights depend on the seed and the network alone, the classes on the data."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from tests.video_fixture import make_hmdb51, make_ucf101

from vclr_pl.backbone.resnet import resnet
from vclr_pl.callback.export import RecognizerExport
from vclr_pl.command.training import build_finetuning
from vclr_pl.config_path import config_folder
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.log import warning_filters


@pytest.fixture(autouse=True)
def hydra_reads_conf() -> Iterator[None]:
    register_resolvers()
    warning_filters()
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        yield


def built(experiment: str, root: Path, run: Path, *overrides: str):
    config = compose(
        "finetune",
        overrides=[
            f"experiment=finetune/{experiment}",
            f"data.root={root}",
            f"paths.run={run}",
            "trainer=cpu",
            "encoder=random",
            *overrides,
        ],
    )
    return build_finetuning(config)


def test_weights_depend_on_the_seed_and_the_network(tmp_path, caplog):
    ucf, hmdb = make_ucf101(tmp_path / "ucf"), make_hmdb51(tmp_path / "hmdb")
    with caplog.at_level(logging.INFO):
        first = built("ucf101_tsn", ucf, tmp_path, "backbone=resnet18")
    assert "backbone: random initialization" in caplog.text
    torch.rand(3)
    again, other = built("ucf101_tsn", ucf, tmp_path, "backbone=resnet18"), built("hmdb51_tsn", hmdb, tmp_path, "backbone=resnet18")
    seeded = built("ucf101_tsn", ucf, tmp_path, "backbone=resnet18", "seed=1")
    weights = [run.module.recognizer.backbone.conv1.weight for run in (first, again, other, seeded)]
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])
    assert [run.module.recognizer.head.out_features for run in (first, other)] == [3, 2]


OF_FILE, OF_COMMAND = {"network": "resnet", "name": "resnet18"}, {"_target_": "vclr_pl.backbone.resnet.resnet", "name": "resnet18"}


@pytest.mark.parametrize(("backbone", "described"), [([], OF_FILE), (["backbone=resnet18"], OF_COMMAND)])
def test_the_export_knows_the_architecture(tmp_path, backbone, described):
    """From the encoder's file, or from the command line."""
    torch.save(resnet(name="resnet18").state_dict(), tmp_path / "resnet18.pth")
    root = make_ucf101(tmp_path / "ucf")
    run = built("ucf101_tsn", root, tmp_path, f"encoder={tmp_path / 'resnet18.pth'}", *backbone)
    (export,) = (callback for callback in run.trainer.callbacks if isinstance(callback, RecognizerExport))
    assert export.architecture == described
