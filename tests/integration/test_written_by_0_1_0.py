"""Files, exports and checkpoints of 0.1.0 load, give the same features, and continue."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from omegaconf import DictConfig
from safetensors.torch import save_file
from tests.integration.files_of_0_1_0 import FILES, WRITTEN_AT, copy_files, kept_features
from torch import Tensor, nn

from vclr_pl import load_encoder
from vclr_pl.backbone.resnet import SmallResNet
from vclr_pl.check import check
from vclr_pl.convert import convert
from vclr_pl.embed import embed
from vclr_pl.evaluate import evaluate
from vclr_pl.features.recognizer import load_recognizer
from vclr_pl.finetune import finetune
from vclr_pl.localize import localize
from vclr_pl.prepare import prepare
from vclr_pl.report.__main__ import main as report
from vclr_pl.runner.run import run
from vclr_pl.train import train

EXPECTED = json.loads((FILES / "expected.json").read_text())
FITTING = ["loader.batch_size=2", "transform.size_pixels=32", "trainer.log_every_n_steps=1"]
TRAINING = ["experiment=folder", *FITTING, "head.dim=8", "queue.inter.length=64", "queue.segment.length=64", "schedule.warmup_epochs=1"]
TRAINING += ["backbone=small_resnet", "backbone.widths=[4,8]", "callback.knn_monitor.every_n_epochs=0", "~callback.view_grid"]
RECOGNITION = ["experiment=finetune/folder", *FITTING, "transform.short_side_pixels=32", "evaluation_view.short_side_pixels=32"]
RECOGNITION += ["evaluation_view.crop_pixels=32", "evaluation_view.segments=2", "bootstrap.resamples=20"]
LOCALIZATION = ["localizer.hidden_1d=8", "localizer.hidden_2d=4", "localizer.hidden_3d=8", "localizer.samples=4", "page=null"]
LOCALIZATION += ["resampling.positions=12", "extractor.snippet_frames=4", "batches.batch_size=2"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_files(tmp_path_factory.mktemp("written") / "files")


def go(task: Callable[[DictConfig], None], written: Path, *arguments: str, name: str) -> Path:
    """The folder written/runs/NAME of `task`, which has to succeed on the copied files."""
    folder = written / "runs" / name
    reads = [] if task in (check, prepare) else ["trainer=cpu", "trainer.precision=32-true", "loader.workers=0"]
    reads += [] if task is prepare else ["decoding=pyav"]
    places = [f"paths.data={written / 'data'}", f"paths.runs={written / 'runs'}", f"hydra.run.dir={folder}"]
    assert run(task, config_name=task.__name__, arguments=[*arguments, *reads, *places]) == 0
    return folder


def results(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return record


def frames() -> Tensor:
    """Two videos of two frames, the same on every machine."""
    return (torch.arange(2 * 2 * 3 * 32 * 32) * 2654435761 % 2**32 // 2**24).to(torch.uint8).reshape(2, 2, 3, 32, 32)


def features(encoder: Any) -> Tensor:
    computed: Tensor = encoder(encoder.transform(frames()))
    return computed


@pytest.mark.parametrize("name", EXPECTED["features"])
def test_an_encoder_computes_the_same_features(name: str) -> None:
    path, _, momentum = name.partition(", ")
    backbone = SmallResNet(widths=[4, 8], stem_stride=2) if path.startswith("converted/") else None  # these files name no network
    encoder = load_encoder(str(FILES / path), momentum=bool(momentum), backbone=backbone)
    torch.testing.assert_close(features(encoder), torch.tensor(EXPECTED["features"][name]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", EXPECTED["logits"])
def test_a_recognizer_computes_the_same_logits(name: str) -> None:
    recognizer = load_recognizer(str(FILES / name))
    assert recognizer.class_names == ("jump", "run")
    torch.testing.assert_close(features(recognizer), torch.tensor(EXPECTED["logits"][name]), rtol=0, atol=1e-5)


def write_weights(path: Path, *, description: Path, network: nn.Module, prefix: str = "", **more: Tensor) -> dict[str, Tensor]:
    """The weights that a description of 0.1.0 was written for, without the classifier; as 0.1.0 wrote them."""
    tensors = {prefix + name: tensor for name, tensor in network.state_dict().items() if not name.startswith("fc.")}
    described = json.loads(description.read_text())
    save_file({**tensors, **more}, path, metadata={name: json.dumps(value) for name, value in described.items()})
    return tensors


@pytest.mark.parametrize("name", ["resnet18", "r3d_18"])
def test_a_description_names_its_network(name: str, tmp_path: Path) -> None:
    network = torchvision.models.get_model(name)
    tensors = write_weights(tmp_path / "backbone.safetensors", description=FILES / name / "backbone.json", network=network)
    encoder = load_encoder(str(tmp_path / "backbone.safetensors"))
    assert encoder.frames_per_clip == (8 if name == "r3d_18" else 1)
    loaded = encoder.backbone.state_dict()
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in tensors.items())


def test_a_shifted_recognizer_loads(tmp_path: Path) -> None:
    head = {"head.weight": torch.rand(2, 512), "head.bias": torch.rand(2)}
    write_weights(
        tmp_path / "recognizer.safetensors",
        description=FILES / "recognizer_tsm" / "recognizer.json",
        network=torchvision.models.resnet18(),
        prefix="backbone.",
        **head,
    )
    recognizer = load_recognizer(str(tmp_path))
    assert recognizer.segments_per_pass == 2
    assert torch.equal(recognizer.backbone.state_dict()["head.weight"], head["head.weight"])


def test_pretraining_continues(written: Path, recwarn: pytest.WarningsRecorder) -> None:
    more = [f"data.root={written}/videos", f"resume={written}/interrupted", "trainer.max_epochs=4", "evaluation.enabled=false"]
    folder = go(train, written, *TRAINING, *more, name="resumed")
    require_two_more_epochs(folder, recwarn)


def test_fine_tuning_continues(written: Path, recwarn: pytest.WarningsRecorder) -> None:
    more = [f"data.root={written}/videos", f"encoder={written}/pretrained", "trainer.max_epochs=4", "schedule.decay_epochs=[3]"]
    folder = go(finetune, written, *RECOGNITION, *more, f"resume={written}/recognizer_interrupted", name="resumed_recognizer")
    require_two_more_epochs(folder, recwarn)


def require_two_more_epochs(folder: Path, warned: pytest.WarningsRecorder) -> None:
    """Of three steps each, after two, with the state of every callback."""
    assert not [warning for warning in warned if "callbacks used to create the checkpoint" in str(warning.message)]
    training = results(folder)["training"]
    assert (training["epochs"], training["steps"]) == (4, 12)
    with (folder / "metrics.csv").open(newline="") as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file) if row["epoch"]]
    assert (min(epochs), max(epochs)) == (2, 3)


def test_weights_of_a_checkpoint_start_a_run(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form, path in (("lightning", "converted/lightning.pth"), ("vclr_release", "converted/vclr_release.pth")):
        weight = [f"weight={form}", f"weight.path={written / path}", "trainer.max_epochs=1", "trainer.limit_train_batches=1"]
        go(train, written, *TRAINING, *weight, f"data.root={written}/videos", "evaluation.enabled=false", name=f"from_{form}")
        assert "0 missing" in capsys.readouterr().out


def published(path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = torch.load(path, weights_only=False)["model"]
    return tensors


def test_a_converted_checkpoint_converts_again(written: Path) -> None:
    arguments = ["from=lightning", f"input={written}/converted/lightning.pth", "to=vclr_release", f"output={written}/again.pth"]
    assert run(convert, config_name="convert", arguments=arguments) == 0
    again, before = (published(written / name) for name in ("again.pth", "converted/vclr_release.pth"))
    assert again.keys() == before.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("encoder", ["pretrained/backbone.safetensors", "recognizer_full"])
def test_an_export_is_fine_tuned(written: Path, encoder: str) -> None:
    more = [f"data.root={written}/videos", f"encoder={written / encoder}", "trainer.max_epochs=1", "trainer.limit_train_batches=1"]
    folder = go(finetune, written, *RECOGNITION, *more, name=f"tuned_from_{Path(encoder).stem}")
    assert load_recognizer(str(folder)).feature_dim == 2


def test_features_are_kept(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [f"encoder={written}/pretrained", f"data.root={written}/videos", "protocol.frames=4"]
    go(embed, written, *options, f"output={written}/features", name="embedded")
    assert capsys.readouterr().out.count("kept in") == 2


def test_an_evaluation_of_kept_features_is_the_same(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (written / "data/features").mkdir(parents=True)
    for part in ("train", "test"):
        (written / "data/features" / kept_features(written, part)).symlink_to(written / "features" / part)
    options = [f"encoder={written}/pretrained", f"data.root={written}/videos", "protocol.frames=4", "page=null"]
    measures = ["bootstrap.resamples=20", "evaluation.measures.nearest_neighbor.neighbors=1"]
    folder = go(evaluate, written, *options, *measures, name="evaluated")
    assert capsys.readouterr().out.count("kept in") == 2
    metrics, earlier = results(folder)["metrics"], results(FILES / "evaluated")["metrics"]
    assert {name: metrics[name] for name in earlier} == pytest.approx(earlier)


def localized(written: Path, *more: str, name: str) -> Path:
    places = [f"untrimmed.root={written}/videos/train/jump", f"untrimmed.annotations={written}/untrimmed.json"]
    return go(localize, written, *LOCALIZATION, *places, "name=localized", *more, name=name)


def test_a_localization_is_kept(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The features, the network and the proposals; its figures are the same."""
    folder = localized(written, f"encoder={written}/pretrained", "trainer.max_epochs=2", name="../localized")
    assert capsys.readouterr().out.count("kept") == 3
    stored = results(FILES / "localized")
    for figures in ("metrics", "baseline"):
        assert results(folder)[figures] == pytest.approx(stored[figures])


def test_a_localizer_trains_on(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = [f"encoder={written}/pretrained", "trainer.max_epochs=3", "stages=[features,resample,train]"]
    folder = localized(written, *more, name="../localized")
    assert "continuing from" in capsys.readouterr().out
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 2


def test_a_recognizer_localizes(written: Path) -> None:
    more = [f"encoder={written}/recognizer_full", "trainer.max_epochs=1"]
    assert "map" in results(localized(written, *more, name="by_logits"))["metrics"]


def test_a_copy_is_complete(written: Path) -> None:
    options = [f"data.root={written}/videos", f"output={written}/prepared", "set_copy.processes=1"]
    folder = go(prepare, written, *options, "set_copy.reencoder.short_side_pixels=32", name="prepared")
    with (folder / "prepare.csv").open(newline="") as file:
        assert {row["status"] for row in csv.DictReader(file)} == {"present"}


def test_the_list_of_a_check_is_the_same(written: Path) -> None:
    go(check, written, f"data.root={written}/videos", "reading.processes=1", f"output={written}/checked.csv", name="checked")
    before = (FILES / "check.csv").read_text().replace(str(WRITTEN_AT), str(written))
    assert (written / "checked.csv").read_text() == before


def test_the_results_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    runs = ["pretrained", "recognizer_full", "recognizer_linear", "evaluated", "localized"]
    assert report([str(FILES / name) for name in runs]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines()[2:] if line.startswith("|")]
    names = [line.split(" | ")[0].removeprefix("| ").partition(":")[0] for line in lines]
    assert [name for name in names if name in runs] == runs
