"""A video's frames: what varies, what stays, and that the object can be seen.
Files are real, whole, kept when there, and never shared by different settings.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from vclr_pl.datasets.demo.catalog import plan_videos
from vclr_pl.datasets.demo.rendering import Appearance, DemoSettings, encode_h264, render_file, render_scene, render_set

PLAIN = Appearance(
    copies=4,
    hue_spread=0.0,
    radius_fraction=(0.1, 0.1),
    background_saturation=0.0,
    stripe_contrast=0.0,
    speed_fraction=0.0,
    exposure_range=(1.0, 1.0),
    contrast_range=(1.0, 1.0),
)


def render(*, seed: int = 0, kinds: tuple[int, int, int] = (0, 2, 4), frames: int = 15, appearance: Appearance = PLAIN) -> np.ndarray:
    return render_scene(kinds=kinds, frames=frames, size_pixels=56, appearance=appearance, generator=np.random.default_rng(seed))


def strongest_hue(frame: np.ndarray) -> int:
    """Sixth of the color circle that the most saturated pixels have; the background is gray."""
    red, green, blue = frame.reshape(-1, 3).astype(float).T
    angle = np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)
    chroma = frame.max(axis=-1).ravel().astype(float) - frame.min(axis=-1).ravel()
    return round(float(np.median(angle[chroma > 0.7 * chroma.max()])) / (np.pi / 3)) % 6


@pytest.mark.parametrize("frames", [6, 15, 16, 17])
def test_size_and_kind_of_the_frames(frames: int) -> None:
    video = render(frames=frames)
    assert video.shape == (frames, 56, 56, 3)
    assert video.dtype == np.uint8


def test_same_seed_same_video_and_another_seed_another() -> None:
    assert np.array_equal(render(seed=3), render(seed=3))
    assert not np.array_equal(render(seed=3), render(seed=4))


def test_each_third_shows_one_kind_of_the_class_in_some_order() -> None:
    orders = set()
    for seed in range(30):
        hues = [strongest_hue(frame) for frame in render(seed=seed)]
        thirds = [set(hues[start : start + 5]) for start in (0, 5, 10)]
        assert [len(third) for third in thirds] == [1, 1, 1]
        orders.add(tuple(third.pop() for third in thirds))
    assert orders == {(0, 2, 4), (0, 4, 2), (2, 0, 4), (2, 4, 0), (4, 0, 2), (4, 2, 0)}


def test_a_third_has_two_shots_of_two_and_three_frames() -> None:
    # nothing moves but by the turn of a ring, which does not show: frames of a shot are equal
    first_shots = set()
    for seed in range(12):
        video = render(seed=seed, kinds=(2, 2, 2)).astype(int)
        cuts = [frame for frame in range(1, 15) if np.abs(video[frame] - video[frame - 1]).max() > 1]
        assert len(cuts) == 5
        assert cuts[1] == 5
        assert cuts[3] == 10
        first_shots |= {cuts[0], cuts[2] - 5, cuts[4] - 10}
    assert first_shots == {2, 3}


def test_copies_are_as_many_as_asked_and_of_the_asked_size() -> None:
    area = np.pi * 5.6**2
    for copies in (1, 4):
        frame = render(kinds=(0, 0, 0), appearance=replace(PLAIN, copies=copies, radius_fraction=(0.1, 0.1)))[0]
        chroma = frame.max(axis=-1).astype(int) - frame.min(axis=-1)
        covered = (chroma / chroma.max()).sum() / area
        assert covered <= copies * 1.02
        assert covered >= copies * 0.6  # some stand partly outside or behind one another


def test_exposure_is_constant_in_a_video_and_varies_between_videos() -> None:
    fixed = [render(seed=seed).mean() for seed in range(2)]
    varied = [render(seed=seed, appearance=replace(PLAIN, exposure_range=(0.5, 0.5))).mean() for seed in range(2)]
    assert np.allclose(varied, np.array(fixed) / 2, atol=1.0)


def test_objects_move_by_their_speed() -> None:
    still, moving = (render(kinds=(0, 0, 0), appearance=replace(PLAIN, speed_fraction=speed)).astype(int) for speed in (0.0, 0.05))
    assert np.abs(still[1] - still[0]).max() <= 1
    assert np.abs(moving[1] - moving[0]).max() > 50


APPEARANCE = Appearance(
    copies=4,
    hue_spread=0.08,
    radius_fraction=(0.09, 0.15),
    background_saturation=0.4,
    stripe_contrast=0.08,
    speed_fraction=0.04,
    exposure_range=(0.7, 1.2),
    contrast_range=(0.7, 1.3),
)
SETTINGS = DemoSettings(seed=0, train_videos_per_class=2, test_videos_per_class=1, frames=15, size_pixels=56, appearance=APPEARANCE)


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
    video = plan_videos(train_videos_per_class=1, test_videos_per_class=1)[0]
    drawn = render_scene(
        kinds=video.kinds, frames=15, size_pixels=56, appearance=APPEARANCE, generator=np.random.default_rng((0, *video.entropy))
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
        {"seed": 1},
        {"train_videos_per_class": 3},
        {"test_videos_per_class": 2},
        {"frames": 18},
        {"size_pixels": 64},
        {"appearance": replace(APPEARANCE, copies=3)},
        {"appearance": replace(APPEARANCE, exposure_range=(0.7, 1.3))},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_any_other_setting_has_another_folder(changed: dict[str, object]) -> None:
    assert replace(SETTINGS, **changed).folder_name != SETTINGS.folder_name


def test_lists_from_yaml_name_the_same_folder_as_tuples() -> None:
    from_yaml = replace(APPEARANCE, radius_fraction=[0.09, 0.15], exposure_range=[0.7, 1.2], contrast_range=[0.7, 1.3])
    assert replace(SETTINGS, appearance=from_yaml).folder_name == SETTINGS.folder_name
