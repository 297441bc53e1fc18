"""`python -m vclr_pl.visualize` on small videos, one of them broken, and what a hurried user gets wrong."""

from __future__ import annotations

import csv
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_broken, write_video

from vclr_pl.datasets.folder import folder_or_file
from vclr_pl.runner.run import run
from vclr_pl.visualize import visualize

pytest.importorskip("pytorch_grad_cam")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_video(tmp_path / "videos" / "one" / "a.mp4")
    write_video(tmp_path / "videos" / "two" / "a.avi")
    write_broken(tmp_path / "videos" / "two" / "torn.mp4")
    return tmp_path / "videos"


def command(*arguments: str, folder: Path) -> int:
    return run(visualize, config_name="visualize", arguments=[*arguments, f"hydra.run.dir={folder}/run", "decoding=pyav"])


def test_two_encoders_side_by_side_and_a_broken_video(data: Path, tmp_path: Path) -> None:
    trained = write_run(tmp_path / "trained")
    output = tmp_path / "maps"
    assert command(f"encoder=[{trained},random]", f"data.root={data}", f"output={output}", "protocol.frames=4", folder=tmp_path) == 0
    assert {file.name for file in output.iterdir()} == {
        *("a.png", "a.mp4", "a_2.png", "a_2.mp4"),
        *("activation_maps.csv", "broken_videos.csv", "config.yaml"),
    }
    with (output / "activation_maps.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(Path(line["video"]).name, Path(line["encoder"]).name, line["target"]) for line in table] == [
        ("a.mp4", "trained", "feature norm"),
        ("a.mp4", "random", "feature norm"),
        ("a.avi", "trained", "feature norm"),
        ("a.avi", "random", "feature norm"),
    ]
    with Image.open(output / "a.png") as sheet:
        assert sheet.width > 4 * 160


def test_one_video_of_a_3d_network_against_another(data: Path, tmp_path: Path) -> None:
    arguments = ["encoder=random", "backbone=r3d_18", "protocol.frames_per_clip=4", "protocol.frame_stride=1", "protocol.frames=2"]
    arguments += ["protocol.crop_pixels=32", f"data.root={data}/one/a.mp4", f"against={data}/two/a.avi", "video=null"]
    assert command(*arguments, folder=tmp_path) == 0
    assert {file.name for file in (tmp_path / "run").iterdir()} >= {"a.png", "activation_maps.csv"}
    with (tmp_path / "run" / "activation_maps.csv").open() as file:
        (line,) = csv.DictReader(file)
    assert line["target"] == "similarity to a.avi"


def test_real_footage_has_a_picture_or_a_reason(real_footage: Path, tmp_path: Path) -> None:
    trained = write_run(tmp_path / "trained")
    output = tmp_path / "maps"
    arguments = (
        f"encoder={trained}",
        f"data.root={real_footage}",
        f"output={output}",
        "most_videos=1000",
        "protocol.frames=3",
        "video=null",
    )
    assert run(visualize, config_name="visualize", arguments=[*arguments, f"hydra.run.dir={tmp_path}/run"]) == 0
    told = [line for name in ("activation_maps.csv", "broken_videos.csv") for line in (output / name).read_text().splitlines()[1:]]
    videos = folder_or_file(root=real_footage, class_folders=False).train
    assert len(told) == len(videos)
    assert len(list(output.glob("*.png"))) == len((output / "activation_maps.csv").read_text().splitlines()) - 1 > 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("encoder=random",), r"backbone=resnet50"),
        (("encoder=no/such/run",), r"encoder=no/such/run, which does not exist"),
        (("encoder=[]",), r"encoder=\[A,B,random\]"),
        (("encoder=random", "backbone=r3d_18"), r"protocol.frames_per_clip=8"),
        (("encoder={run}", "layer=layer4"), r"one of conv1, bn1, stages .*got layer=layer4"),
        (("encoder={run}", "class_name=wave"), r"a recognizer, for class_name=; got class_name=wave"),
        (("encoder={run}", "against={data}/two/torn.mp4"), r"a readable video to compare with; got .*torn\.mp4"),
        (("encoder={run}", "against={data}/none.mp4"), r"none\.mp4 \(no such file\)"),
        (("encoder={run}", "data.root={data}/nothing"), r"nothing"),
        (
            ("encoder={run}", "data.root={data}/two/torn.mp4"),
            r"got none, 1 failed, the first is .*/torn.mp4. .* listed in .*broken_videos\.csv",
        ),
        (("encoder={run}", "most_videos=0"), r"most_videos=12"),
        (("encoder={run}", "device=gpu"), r"device=gpu"),
        (("encoder={run}", "sheet.columns=0"), r"sheet\.columns=6"),
        (("encoder={run}", "outptu=maps"), r"Did you mean output"),
        ((), r"a value for encoder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_are_told_in_one_line(
    arguments: tuple[str, ...], told: str, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trained = write_run(tmp_path / "trained")
    given = [part.format(run=trained, data=data) for part in arguments]
    root = [] if any(part.startswith("data.root") for part in given) else [f"data.root={data}"]
    assert command(*given, *root, "protocol.frames=2", "video=null", folder=tmp_path) == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert re.search(told, errors[0]), errors[0]


def test_without_grad_cam_the_command_that_installs_it_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    original = importlib.import_module

    def absent(name: str, *rest: Any) -> Any:
        if name == "pytorch_grad_cam":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(importlib, "import_module", absent)
    assert command("encoder=random", "backbone=resnet18", f"data.root={data}", folder=tmp_path) == 2
    assert "pip install grad-cam" in capfd.readouterr().err
