"""A copy finds the video that it was made of first, with default settings and a network that was never trained: the view is right."""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from tests.video_fixture import make_ucf101, write_pictures, write_video

from vclr_pl.embed import embed
from vclr_pl.retrieve import retrieve
from vclr_pl.runner.run import run
from vclr_pl.visualize import visualize

SIDE_BY_SIDE = ["backbone=resnet18", "trainer=cpu", "loader.workers=0", "page=null", "neighbors=1"]
# what people have: a part of the video as it is, in another codec and quality, in another size, or cropped
COPIES = {
    "excerpt": "",
    "encoded": "-c:v mpeg4 -qscale:v 6",
    "small": "-vf scale=trunc(iw/4)*2:trunc(ih/4)*2",
    "large": "-vf scale=trunc(iw*0.75)*2:trunc(ih*0.75)*2",
    "cropped": "-vf crop=trunc(iw*0.45)*2:trunc(ih*0.45)*2",
}
SHOWN = [("folder", [], 37), ("ucf101", [], None), ("ucf101", ["=40"], 40), ("folder", ["=stored"], None)]


def nearest(folder: Path, *more: str) -> dict[str, str]:
    """By the query's name, the name of its nearest video of `folder`/gallery."""
    paths = [f"paths.data={folder / 'kept'}", f"hydra.run.dir={folder / 'run'}"]
    arguments = ["encoder=random", f"gallery.root={folder / 'gallery'}", f"query.root={folder / 'queries'}", *SIDE_BY_SIDE, *paths, *more]
    assert run(retrieve, config_name="retrieve", arguments=arguments) == 0
    with (folder / "run" / "neighbors.csv").open(newline="") as file:
        return {Path(row["query"]).stem: Path(row["neighbor"]).stem for row in csv.DictReader(file)}


def scene(number: int, *, height: int, width: int) -> list[np.ndarray]:
    """Six frames of eight stripes in the video's own colors, with the same gray disk in the middle of each video."""
    colors = np.random.default_rng(number).integers(0, 256, (8, 3))
    rows, columns = np.mgrid[:height, :width]
    disk = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (0.3 * height) ** 2
    pictures = []
    for frame in range(6):
        picture = colors[(8 * columns // width + frame // 3) % 8].astype(np.uint8)
        picture[disk] = 128
        pictures.append(picture)
    return pictures


def test_a_copy_of_another_size_finds_its_video(tmp_path: Path) -> None:
    for number in range(5):
        small, large = (180, 320), (720, 1280)
        sizes = {"gallery": small, "queries": large} if number % 2 else {"gallery": large, "queries": small}
        for folder, (height, width) in sizes.items():
            pictures = scene(number, height=height, width=width)
            path = tmp_path / folder / f"{number}.mp4"
            write_pictures(path, pictures=pictures, height=height, width=width, rate=25, keyframe_every=6)
    assert nearest(tmp_path) == {str(number): str(number) for number in range(5)}
    assert nearest(tmp_path, "protocol.short_side_pixels=stored") != {str(number): str(number) for number in range(5)}  # as it was


@pytest.mark.parametrize(("layout", "more", "short_side"), SHOWN)
def test_own_videos_are_resized_and_benchmarks_are_shown_as_published(
    layout: str, more: list[str], short_side: int | None, tmp_path: Path
) -> None:
    """The stored features say how the videos were seen, and a crop of 32 pixels sees little of 240x320."""
    root = make_ucf101(tmp_path / "set")
    arguments = ["encoder=random", "backbone=small_resnet", f"data={layout}", f"data.root={root}", "trainer=cpu", "loader.workers=0"]
    arguments += ["protocol.crop_pixels=32", f"output={tmp_path / 'made'}", f"hydra.run.dir={tmp_path / 'run'}"]
    arguments += [f"protocol.short_side_pixels{value}" for value in more]
    assert run(embed, config_name="embed", arguments=arguments) == 0
    described = [json.loads(file.read_text())["protocol"] for file in sorted((tmp_path / "made").rglob("features.json"))]
    assert [protocol["short_side_pixels"] for protocol in described] == [short_side] * len(described)
    assert described


def test_every_command_warns_once_of_a_crop_that_sees_little(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / "videos" / name, height=96, width=128)
    shown = ["encoder=random", "backbone=small_resnet", f"data.root={tmp_path / 'videos'}", f"output={tmp_path / 'made'}"]
    shown += ["protocol.crop_pixels=32", "protocol.short_side_pixels=stored", "protocol.frames=2", f"hydra.run.dir={tmp_path / 'run'}"]
    assert run(embed, config_name="embed", arguments=[*shown, "trainer=cpu", "loader.workers=0"]) == 0
    assert run(visualize, config_name="visualize", arguments=[*shown, "video=null"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "the crop of 32 pixels covers 8% of the frames of" in line]
    assert len(told) == 2
    assert all(line.endswith("(128x96); protocol.short_side_pixels=37 covers more") for line in told)


def test_copies_of_real_footage_find_their_video(real_footage: Path, ffmpeg: str, tmp_path: Path) -> None:
    """Two copies of the middle half of each long video, one of them of half the size; nine in ten find it first.

    Of the small copies alone four in ten miss it where frames keep their stored size.
    """
    if not (real_footage / "long").is_dir():
        pytest.skip(f"{real_footage} has no folder long")
    videos = sorted((real_footage / "long").iterdir())
    (tmp_path / "gallery").symlink_to(real_footage / "long")
    (tmp_path / "queries").mkdir()
    others = itertools.cycle(kind for kind in COPIES if kind != "small")
    for video, kind in [*zip(videos, others, strict=False), *((video, "small") for video in videos)]:
        with av.open(str(video)) as container:
            seconds = (container.duration or 0) / av.time_base
        begin = [ffmpeg, "-v", "error", "-ss", str(seconds / 4), "-t", str(min(15, seconds / 2)), "-i", str(video)]
        copy = tmp_path / "queries" / f"{video.stem}.{kind}.mp4"
        command = [*begin, *["-an", "-preset", "ultrafast", "-pix_fmt", "yuv420p"], *COPIES[kind].split(), str(copy)]
        subprocess.run(command, check=True, timeout=120)
    found = nearest(tmp_path)
    wrong = {query: video for query, video in found.items() if query.rpartition(".")[0] != video}
    assert len(found) == 2 * len(videos)
    assert len(wrong) <= 0.1 * len(found), wrong
