"""Every kind of backbone in every command: pretraining for one batch, evaluation and export of the run, fine-tuning for one batch."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from tests.integration.test_train import SMALL

from vclr_pl.convert import convert
from vclr_pl.evaluate import evaluate
from vclr_pl.finetune import finetune
from vclr_pl.runner.run import run
from vclr_pl.train import train
from vclr_pl.weights.image_weights import PACKAGE

OWN = [part for part in SMALL if not part.startswith(("backbone.", "transform.", "data.size", "loader.batch"))]
CLIPS = ["sampling=clips", "sampling.frames_per_clip=4", "sampling.frame_stride=1", "data.frames=12"]
BACKBONES = {  # name: pixels, options
    "small_resnet": (32, ["backbone=small_resnet", "backbone.widths=[8,16]"]),
    "resnet18": (32, ["backbone=resnet18"]),
    "r3d_18": (32, ["backbone=r3d_18", *CLIPS]),
    "efficientnet_lite0": (32, ["backbone=efficientnet_lite0"]),
    "convnext": (32, ["backbone=timm", "backbone.name=convnext_atto", "backbone.drop_path_rate=0.1"]),
    "vit": (32, ["backbone=timm", "backbone.name=vit_tiny_patch16_224", "backbone.gradient_checkpointing=true"]),
    "swin": (56, ["backbone=timm", "backbone.name=swin_tiny_patch4_window7_224"]),
    "mobilenet": (32, ["backbone=timm", "backbone.name=mobilenetv3_small_050"]),
    "regnet": (32, ["backbone=timm", "backbone.name=regnetx_002"]),
    "levit": (64, ["backbone=timm", "backbone.name=levit_128s"]),
    "shufflenet": (32, ["backbone=torchvision", "backbone.name=shufflenet_v2_x0_5"]),
    "swin3d": (32, ["backbone=torchvision", "backbone.name=swin3d_t", *CLIPS]),
}
SHIFTED = {"efficientnet_lite0", "convnext"}  # fine-tuned as TSM, the others as TSN
NO_ONNX: dict[str, str] = {}


def places(folder: Path, name: str) -> list[str]:
    return [
        f"paths.data={folder / 'data'}",
        f"paths.runs={folder / 'runs'}",
        f"paths.features={folder / 'features'}",
        f"hydra.run.dir={folder / name}",
    ]


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_works_in_every_command(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pixels, options = BACKBONES[name]
    small = [*OWN, "loader.batch_size=2", "evaluation_view.frames=2", "evaluation_view.short_side_pixels=64", "page=null"]
    size = ["data.size_pixels=64", f"transform.size_pixels={pixels}"]
    limits = ["trainer.max_epochs=1", "trainer.limit_train_batches=1"]
    arguments = [*small, *size, *options, *limits, *places(tmp_path, "pretrained")]
    assert run(train, config_name="train", arguments=arguments) == 0, capfd.readouterr().err
    encoder = f"encoder={tmp_path / 'pretrained'}"
    clip = ["data.frames=12"] if CLIPS[0] in options else []
    data = ["data=demo", "data.train_videos_per_class=2", "data.test_videos_per_class=1", "data.frames=6", "data.size_pixels=64", *clip]
    again = [encoder, *data, "trainer=cpu", "loader.workers=0", "page=null", "bootstrap.resamples=10", *places(tmp_path, "evaluated")]
    assert run(evaluate, config_name="evaluate", arguments=again) == 0, capfd.readouterr().err
    own, stored = (json.loads((tmp_path / one / "results.json").read_text())["metrics"] for one in ("pretrained", "evaluated"))
    found = {key: value for key, value in own.items() if key != "copy_top1"}  # a measure of training only
    assert {key: stored[key] for key in found} == pytest.approx(found)
    exported = run(
        convert, config_name="convert", arguments=[f"input={tmp_path / 'pretrained'}", "to=onnx", f"output={tmp_path / 'encoder.onnx'}"]
    )
    assert exported == (2 if name in NO_ONNX else 0), capfd.readouterr().err
    tuned = ["experiment=finetune/demo", encoder, "mode=full", *data, "loader.batch_size=2", "loader.workers=0", "trainer=cpu"]
    tuned += [
        "fit_to_encoder=true",
        "evaluation_view.segments=2",
        "bootstrap.resamples=10",
        *limits,
        *places(tmp_path, "tuned"),
    ]
    if name in SHIFTED:
        tuned += ["recognizer=tsm", "sampling.segments=2", "recognizer.shift.segments=2"]
    if clip:
        tuned += ["sampling.frames_per_clip=4", "sampling.frame_stride=1"]
    assert run(finetune, config_name="finetune", arguments=tuned) == 0, capfd.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed: the extra `imagenet`")
def test_the_loaded_weights_are_the_baseline_of_a_run_that_starts_from_them(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """At a rate of 0 and with batch norms that moved for one step, the start is what the table compares with, by its name."""
    size = ["data.size_pixels=64", "transform.size_pixels=64", "evaluation_view.frames=2", "evaluation_view.short_side_pixels=64"]
    options = [
        "backbone=efficientnet_lite0",
        "weight=imagenet",
        "loader.batch_size=2",
        "trainer.max_epochs=1",
        "trainer.limit_train_batches=1",
    ]
    arguments = [*OWN, *size, *options, "page=null", *places(tmp_path, "continued")]
    assert run(train, config_name="train", arguments=arguments) == 0, capfd.readouterr().err
    shown = capfd.readouterr()
    results = json.loads((tmp_path / "continued" / "results.json").read_text())
    assert results["baseline_name"] == "start: ImageNet weights"
    assert "start: ImageNet weights" in shown.out
    assert "random init" not in shown.out
    named = [
        "encoder=imagenet:efficientnet_lite0",
        "protocol.frames=2",
        "protocol.crop_pixels=64",
        "protocol.short_side_pixels=64",
        "trainer=cpu",
    ]
    data = ["data=demo", "data.train_videos_per_class=2", "data.test_videos_per_class=1", "data.frames=6", "data.size_pixels=64"]
    named += [*data, "loader.workers=0", "page=null", "bootstrap.resamples=10", *places(tmp_path, "named")]
    assert run(evaluate, config_name="evaluate", arguments=named) == 0, capfd.readouterr().err
    stored = json.loads((tmp_path / "named" / "results.json").read_text())["metrics"]
    found = {key: value for key, value in results["baseline"].items() if key != "copy_top1"}  # a measure of training only
    assert {key: stored[key] for key in found} == pytest.approx(found)
