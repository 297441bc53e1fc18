"""Fine-tuning as a user types it: each column's layout, both modes, what is left behind, resume, several processes, mistakes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.integration.test_train import last_checkpoint
from tests.video_fixture import copies, make_activitynet, make_hmdb51, make_ssv2, make_ucf101, write_broken, write_lines

from vclr_pl.backbone.resnet import resnet
from vclr_pl.features.recognizer import load_recognizer
from vclr_pl.finetune import finetune
from vclr_pl.runner.run import run
from vclr_pl.video.pyav import PyavDecoder

PIXELS = [
    "transform.short_side_pixels=36",
    "transform.size_pixels=32",
    "evaluation_view.short_side_pixels=36",
    "evaluation_view.crop_pixels=32",
]
SMALL = [*PIXELS, "loader.batch_size=2", "loader.workers=0", "trainer=cpu"]
LAYOUTS = {
    "ucf101_tsn": make_ucf101,
    "hmdb51_tsn": make_hmdb51,
    "ssv2_tsn": make_ssv2,
    "ssv2_tsm": make_ssv2,
    "ssv2_tsm16": make_ssv2,
    "activitynet_tsn": make_activitynet,
}
FAST = ["experiment=finetune/ucf101_tsn", *SMALL, "backbone=small_resnet", "backbone.widths=[8,16]", "encoder=random"]
FAST += ["trainer.max_epochs=3", "schedule.decay_epochs=[2]", "evaluation_view.segments=4", "bootstrap.resamples=20"]


def command(folder: Path, *arguments: str, name: str = "run") -> list[str]:
    return [*arguments, f"paths.data={folder / 'data'}", f"paths.runs={folder / 'runs'}", f"hydra.run.dir={folder / 'runs' / name}"]


def go(folder: Path, *arguments: str, name: str = "run") -> int:
    return run(finetune, config_name="finetune", arguments=command(folder, *arguments, name=name))


@pytest.mark.parametrize("experiment", LAYOUTS)
def test_a_column_trains_one_batch_and_tests(experiment, tmp_path, capsys):
    """The published figures but for the network and the pixels, on the layout that the data set is shipped in."""
    root = LAYOUTS[experiment](tmp_path / "set")
    chosen = [f"experiment=finetune/{experiment}", f"data.root={root}", "encoder=random", "backbone=resnet18"]
    limits = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "bootstrap.resamples=20"]
    assert go(tmp_path, *chosen, *SMALL, *limits) == 0, capsys.readouterr()
    results = json.loads((tmp_path / "runs/run/results.json").read_text())
    assert results["training"]["steps"] == 1
    assert results["training"]["test_videos"] > 0 == results["training"]["broken_test_videos"]
    assert "recognition_top1" in results["metrics"]


def test_the_demo(tmp_path, capsys):
    small = ["data.train_videos_per_class=2", "data.test_videos_per_class=1", "data.frames=6", "data.size_pixels=32", "trainer=cpu"]
    chosen = ["experiment=finetune/demo", "encoder=random", "backbone=small_resnet", "backbone.widths=[8,16]", "debug=one_batch"]
    assert go(tmp_path, *chosen, *small, *PIXELS, "loader.batch_size=4", "loader.workers=0") == 0, capsys.readouterr()


def test_clips(tmp_path, capsys):
    root = make_ucf101(tmp_path / "set")
    clips = [
        "backbone=r3d_18",
        "sampling.frames_per_clip=4",
        "sampling.frame_stride=2",
        "sampling.segments=2",
        "evaluation_view.segments=2",
    ]
    limits = ["trainer.max_epochs=1", "trainer.limit_train_batches=1"]
    assert go(tmp_path, "experiment=finetune/ucf101_tsn", f"data.root={root}", "encoder=random", *clips, *SMALL, *limits) == 0, (
        capsys.readouterr()
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finetune")
    make_ucf101(folder / "set")
    write_broken(folder / "set/UCF-101/YoYo/v_YoYo_g01_c01.avi")  # of the test list
    return folder


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    assert go(place, *FAST, f"data.root={place / 'set'}", name="whole") == 0
    return place / "runs/whole"


def test_a_run_leaves_its_files(whole: Path) -> None:
    left = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file() and ".hydra" not in path.parts}
    assert left == {
        "config.yaml",
        "metrics.csv",
        "results.json",
        "predictions.csv",
        "confusion.csv",
        "finetune.log",
        "run.html",
        "curves.png",
        "recognizer.json",
        "recognizer.safetensors",
        "checkpoints/last.ckpt",
        "checkpoints/previous.ckpt",
    }
    page = (whole / "run.html").read_text()
    assert all(f"<h3>{title}</h3>" in page for title in ("total loss", "top-1 on training videos", "learning rate"))
    assert "Class: " in page
    results = json.loads((whole / "results.json").read_text())
    assert results["training"] == {"epochs": 3, "steps": 12, "processes": 1, "test_videos": 3, "broken_test_videos": 1}
    assert set(results["metrics"]) == set(results["intervals"]) == {"recognition_top1", "recognition_mean_class"}
    right = results["outcomes"]["values"]["recognition_top1"]
    assert (len(right), 50.0 * right.count("1")) == (2, results["metrics"]["recognition_top1"])
    with (whole / "predictions.csv").open() as file:
        status = [row["status"] for row in csv.DictReader(file)]
    assert status[:2] == ["read", "read"]
    assert status[2].startswith("broken: ")
    log = (whole / "finetune.log").read_text()
    assert "learning rate: 0.01 at 256 videos a step (optimizer.reference_batch_size); here 2, so 7.8125e-05" in log
    assert "backbone: random initialization" in log
    assert "1 of 3 test videos could not be read" in log


def test_the_exported_recognizer_says_what_the_run_said(whole: Path, place: Path) -> None:
    recognizer = load_recognizer(str(whole))
    assert recognizer.class_names == ("ApplyEyeMakeup", "HandstandPushups", "YoYo")
    checkpoint = last_checkpoint(whole)["state_dict"]
    assert all(torch.equal(checkpoint[f"recognizer.{name}"], value) for name, value in load_file(whole / "recognizer.safetensors").items())
    with (whole / "predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "read"]
    for row in rows:
        frames = pixels_of(row["path"], recognizer)
        scores = recognizer(recognizer.transform(frames)[None]).softmax(dim=1)[0]
        assert recognizer.class_names[int(scores.argmax())] == row["prediction"]
        assert [float(part) for part in row["scores"].split(" | ")] == pytest.approx(sorted(scores.tolist(), reverse=True), abs=2e-4)


def pixels_of(path, recognizer):
    with PyavDecoder(threads=1, short_side_pixels=None).open(path) as reader:
        return reader.frames(recognizer.view.indices(reader.frame_count))


def test_a_resumed_run_goes_on_where_it_was(whole: Path, place: Path) -> None:
    """Dropout included: the same weights in the end as the run that nobody interrupted."""
    stop = "+callback.interruption={_target_: tests.integration.interruption.Interruption, epoch: 1}"
    assert go(place, *FAST, f"data.root={place / 'set'}", stop, name="stopped") == 1
    assert go(place, *FAST, f"data.root={place / 'set'}", f"resume={place / 'runs/stopped'}", name="resumed") == 0
    expected, found = (last_checkpoint(place / "runs" / name) for name in ("whole", "resumed"))
    for name, value in expected["state_dict"].items():
        torch.testing.assert_close(found["state_dict"][name], value, rtol=1e-5, atol=1e-7)
    results = [json.loads((place / "runs" / name / "results.json").read_text())["metrics"] for name in ("whole", "resumed")]
    assert results[0] == results[1]


def test_a_run_killed_during_its_test_is_tested(whole: Path, place: Path) -> None:
    shutil.copytree(whole / "checkpoints", place / "runs/killed/checkpoints")
    assert go(place, *FAST, f"data.root={place / 'set'}", f"resume={place / 'runs/killed'}", name="tested") == 0
    results = [json.loads((place / "runs" / name / "results.json").read_text()) for name in ("whole", "tested")]
    for kind in ("metrics", "intervals", "training"):
        assert results[0][kind] == results[1][kind]
    for name in ("predictions.csv", "confusion.csv", "recognizer.json"):
        assert (place / "runs/tested" / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("stored", "given"), [([], ["mode=linear"]), (["mode=linear"], []), ([], ["parameter_groups=tsm"])], ids=["linear", "full", "groups"]
)
def test_another_way_of_training_is_no_resume(stored, given, place, capfd):
    first, second = (f"{'_'.join(part) or 'full'}".replace("=", "_") for part in (stored, given))
    name = f"{first}_then_{second}"
    stop = "+callback.interruption={_target_: tests.integration.interruption.Interruption, epoch: 1}"
    assert go(place, *FAST, f"data.root={place / 'set'}", *stored, stop, name=name) == 1
    capfd.readouterr()
    assert go(place, *FAST, f"data.root={place / 'set'}", *given, f"resume={place / 'runs' / name}", name=f"{name}_resumed") == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line]
    assert len(lines) == 1, lines
    assert "mode and parameter_groups it was trained with" in lines[0]


def test_linear_trains_the_last_layer_alone(whole: Path, place: Path) -> None:
    """On the backbone of the run before, which it leaves as it was."""
    exported = load_file(whole / "recognizer.safetensors")
    torch.save({name.removeprefix("backbone."): value for name, value in exported.items() if name.startswith("backbone.")}, place / "b.pth")
    linear = [part for part in FAST if part != "encoder=random"]
    assert go(place, *linear, f"data.root={place / 'set'}", f"encoder={place / 'b.pth'}", "mode=linear", name="linear") == 0
    found = load_file(place / "runs/linear/recognizer.safetensors")
    assert all(torch.equal(found[name], value) for name, value in exported.items() if name.startswith("backbone."))
    assert not torch.equal(found["head.weight"], exported["head.weight"])
    log = (place / "runs/linear/finetune.log").read_text()
    assert "the linear layer trains: 51 parameters; the backbone's 5,096 stay fixed" in log
    assert "the features of 3 augmented views of each training video are computed once" in log  # of ten: the run has three epochs


def test_linear_on_kept_features_is_linear_on_the_views_of_its_epochs(place: Path) -> None:
    """A run of as many epochs as views ends with the weights of a run that reads and augments anew; one of fewer views does not."""
    linear = [*FAST, f"data.root={place / 'set'}", "mode=linear", "callback.finite_loss.every_n_steps=1"]
    heads = {}
    for views in ("null", "3", "1"):
        assert go(place, *linear, f"views_per_video={views}", name=f"views_{views}") == 0
        heads[views] = load_file(place / f"runs/views_{views}/recognizer.safetensors")["head.weight"]
    torch.testing.assert_close(heads["3"], heads["null"], rtol=1e-4, atol=1e-6)
    assert (heads["1"] - heads["null"]).abs().max() > 1e-4
    stop = "+callback.interruption={_target_: tests.integration.interruption.Interruption, epoch: 1}"
    assert go(place, *linear, "views_per_video=3", stop, name="views_stopped") == 1
    assert go(place, *linear, "views_per_video=3", f"resume={place / 'runs/views_stopped'}", name="views_resumed") == 0
    torch.testing.assert_close(load_file(place / "runs/views_resumed/recognizer.safetensors")["head.weight"], heads["3"])


def test_two_processes_test_each_video_once(place: Path, whole: Path) -> None:
    del whole
    environment = {**os.environ, "HYDRA_FULL_ERROR": "0", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    small = [part for part in FAST if part != "trainer=cpu"]
    arguments = command(place, *small, f"data.root={place / 'set'}", "trainer=ddp_cpu", "trainer.max_epochs=1", name="pair")
    done = subprocess.run(
        [sys.executable, "-m", "vclr_pl.finetune", *arguments], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    results = json.loads((place / "runs/pair/results.json").read_text())
    assert results["training"] == {"epochs": 1, "steps": 2, "processes": 2, "test_videos": 3, "broken_test_videos": 1}
    with (place / "runs/pair/predictions.csv").open() as file:
        assert [row["status"][:6] for row in csv.DictReader(file)] == ["read", "read", "broken"]


def test_videos_without_a_test_list(tmp_path, capsys):
    copies(tmp_path / "own" / name for name in ("run/a.mp4", "run/b.mp4", "sit/c.mp4", "sit/d.mp4"))
    chosen = [part for part in FAST if not part.startswith("experiment=")]
    assert go(tmp_path, *chosen, f"data.root={tmp_path / 'own'}", "trainer.max_epochs=1") == 0, capsys.readouterr()
    assert "no test list" in (tmp_path / "runs/run/finetune.log").read_text()
    assert json.loads((tmp_path / "runs/run/results.json").read_text())["metrics"] == {}
    assert (tmp_path / "runs/run/recognizer.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["encoder={folder}/none.pth"], ["encoder=", "none.pth", "does not exist"]),
        (["data=folder", "data.root={folder}/plain"], ["a label for every training video", "2 of 2 without a label"]),
        (["mode=frozen"], ["mode=full", "mode=linear", "got mode=frozen"]),
        (["encoder={folder}/resnet18.pth", "backbone=resnet50"], ["resnet18.pth", "missing"]),
        (["evaluation_view.segments=0"], ["evaluation_view.segments=0"]),
        (["recognizer=tsm", "evaluation_view.segments=8"], ["recognizer.shift.segments=3", "evaluation_view.segments=8"]),
        (["encoder=???"], ["expected a value for encoder", "Add encoder=VALUE"]),
        (["loader.batch_size=100"], ["loader.batch_size=100"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(arguments, told, place, tmp_path, capfd):
    copies(tmp_path / "plain" / name for name in ("a.mp4", "b.mp4"))
    write_lines(tmp_path / "notes.txt", ["no video"])
    torch.save(resnet(name="resnet18").state_dict(), tmp_path / "resnet18.pth")
    given = [part.format(folder=tmp_path) for part in arguments]
    keys = {part.split("=")[0].lstrip("~") for part in given}
    kept = [part for part in [*FAST, f"data.root={place / 'set'}"] if part.split("=")[0] not in keys]
    kept = [part for part in kept if not (part.startswith("backbone.") and "backbone" in keys)]
    code = go(tmp_path, *kept, *given)
    lines = [line for line in capfd.readouterr().err.splitlines() if line]
    assert code == 2, lines
    assert len(lines) == 1, lines
    assert all(part in lines[0] for part in told), lines[0]
