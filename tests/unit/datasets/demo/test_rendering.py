"""Files of the demo are real, whole, kept when there, and never shared by different settings."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from vclr_pl.datasets.demo.catalog import plan_videos
from vclr_pl.datasets.demo.drawing import Appearance, render_scene
from vclr_pl.datasets.demo.rendering import DemoSettings, encode_h264, render_file, render_set

APPEARANCE = Appearance(
    copies=4,
    hue_spread=0.08,
    radius_fraction=(0.09, 0.15),
    background_saturation=0.4,
    stripe_contrast=0.08,
    speed_fraction=0.04,
    exposure_range=(0.7, 1.2),
    contrast_range=(0.7, 1.3),
    gray=False,
)
SETTINGS = DemoSettings(
    task="composition", seed=0, train_videos_per_class=2, test_videos_per_class=1, frames=15, size_pixels=56, appearance=APPEARANCE
)


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def decode(data: bytes, tmp_path: Path) -> tuple[av.VideoStream, np.ndarray, list[bool]]:
    (tmp_path / "one.mp4").write_bytes(data)
    with av.open(tmp_path / "one.mp4") as container:
        frames = list(container.decode(video=0))
        pixels = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
        return container.streams.video[0], pixels, [frame.key_frame for frame in frames]


def test_a_file_is_h264_with_every_frame_a_keyframe_and_looks_as_drawn(tmp_path: Path) -> None:
    video = plan_videos(task="composition", train_videos_per_class=1, test_videos_per_class=1)[0]
    drawn = render_scene(
        scene_class=video.scene_class,
        frames=15,
        size_pixels=56,
        appearance=APPEARANCE,
        generator=np.random.default_rng((0, *video.entropy)),
    )
    stream, pixels, keyframes = decode(render_file(video, SETTINGS), tmp_path)
    assert stream.codec_context.name == "h264"
    assert keyframes == [True] * 15
    assert pixels.shape == drawn.shape
    assert np.abs(pixels.astype(int) - drawn).mean() < 6.0


def test_encoding_is_repeatable() -> None:
    frames = np.random.default_rng(0).integers(0, 256, size=(6, 32, 48, 3), dtype=np.uint8)
    assert encode_h264(frames) == encode_h264(frames)


def test_the_set_has_every_video_and_list_and_no_leftover(tmp_path: Path) -> None:
    folder = render_set(root=tmp_path, settings=SETTINGS)
    files = content(folder)
    assert sum(name.endswith(".mp4") for name in files) == 30
    assert sorted(name for name in files if not name.endswith(".mp4")) == [
        "demo.json",
        "ucfTrainTestlist/classInd.txt",
        "ucfTrainTestlist/testlist01.txt",
        "ucfTrainTestlist/trainlist01.txt",
    ]
    listed = [line.split()[0] for line in (folder / "ucfTrainTestlist/trainlist01.txt").read_text().splitlines()]
    assert all((folder / "UCF-101" / path).is_file() for path in listed)
    assert json.loads((folder / "demo.json").read_text())["seed"] == 0


def test_the_same_settings_render_the_same_bytes_anywhere(tmp_path: Path) -> None:
    assert content(render_set(root=tmp_path / "a", settings=SETTINGS)) == content(render_set(root=tmp_path / "b", settings=SETTINGS))


def test_only_missing_files_are_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = render_set(root=tmp_path, settings=SETTINGS)
    before = content(folder)
    kept = folder / "UCF-101/DiscPlusRing/v_DiscPlusRing_g08_c02.mp4"
    kept.write_bytes(b"left alone")
    (folder / "UCF-101/DiscPlusRing/v_DiscPlusRing_g08_c01.mp4").unlink()
    rendered = []
    monkeypatch.setattr(
        "vclr_pl.datasets.demo.rendering.render_file", lambda video, settings: rendered.append(video) or render_file(video, settings)
    )
    render_set(root=tmp_path, settings=SETTINGS)
    assert [video.listed_path.name for video in rendered] == ["v_DiscPlusRing_g08_c01.mp4"]
    assert kept.read_bytes() == b"left alone"
    assert {name for name, digest in content(folder).items() if digest != before[name]} == {str(kept.relative_to(folder))}


def test_an_interrupted_rendering_goes_on_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def stop_at_the_third(video, settings):
        calls.append(video)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return render_file(video, settings)

    with monkeypatch.context() as patch:
        patch.setattr("vclr_pl.datasets.demo.rendering.render_file", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            render_set(root=tmp_path / "stopped", settings=SETTINGS)
    names = list(content(tmp_path / "stopped" / SETTINGS.folder_name))
    assert len(names) == 2
    assert all(name.endswith(".mp4") for name in names)
    resumed = render_set(root=tmp_path / "stopped", settings=SETTINGS)
    assert content(resumed) == content(render_set(root=tmp_path / "whole", settings=SETTINGS))


def test_a_write_that_fails_leaves_neither_the_file_nor_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(_part: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", disk_full)
    with pytest.raises(OSError, match="No space left"):
        render_set(root=tmp_path, settings=SETTINGS)
    assert content(tmp_path) == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"task": "order"},
        {"seed": 1},
        {"train_videos_per_class": 3},
        {"test_videos_per_class": 2},
        {"frames": 18},
        {"size_pixels": 64},
        {"appearance": replace(APPEARANCE, copies=3)},
        {"appearance": replace(APPEARANCE, gray=True)},
        {"appearance": replace(APPEARANCE, exposure_range=(0.7, 1.3))},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_any_other_setting_has_another_folder(changed: dict[str, object]) -> None:
    assert replace(SETTINGS, **changed).folder_name != SETTINGS.folder_name


def test_lists_from_yaml_name_the_same_folder_as_tuples() -> None:
    from_yaml = replace(APPEARANCE, radius_fraction=[0.09, 0.15], exposure_range=[0.7, 1.2], contrast_range=[0.7, 1.3])
    assert replace(SETTINGS, appearance=from_yaml).folder_name == SETTINGS.folder_name


def test_composition_keeps_the_folder_of_the_first_version() -> None:
    """The name was computed at commit d56ee33, before there were other tasks: rendered sets and stored features are found again."""
    drawn = replace(
        APPEARANCE,
        radius_fraction=(0.13, 0.18),
        background_saturation=0.25,
        stripe_contrast=0.06,
        speed_fraction=0.02,
        exposure_range=(0.8, 1.2),
        contrast_range=(0.8, 1.2),
    )
    assert replace(SETTINGS, train_videos_per_class=40, test_videos_per_class=15, appearance=drawn).folder_name == "seed0-56af295c"


def test_the_set_of_another_task_has_its_classes(tmp_path: Path) -> None:
    folder = render_set(root=tmp_path, settings=replace(SETTINGS, task="motion", train_videos_per_class=1, frames=6))
    assert sum(name.endswith(".mp4") for name in content(folder)) == 16
    assert (folder / "ucfTrainTestlist/classInd.txt").read_text().splitlines()[0] == "1 LeftGrowClockwise"
    assert json.loads((folder / "demo.json").read_text())["task"] == "motion"
