"""The styles draw one scene differently: what is warm, where lines are, and that the default has the pixels of before."""

from __future__ import annotations

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from vclr_pl.config_path import config_folder
from vclr_pl.datasets.demo.drawing import Appearance, render_scene
from vclr_pl.datasets.demo.style import drawn, filled, noisy, thermal
from vclr_pl.datasets.demo.tasks import composition_class
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.types import InputError

SIDE = 64
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)
DISTANCE = (np.hypot(ROWS - 32, COLUMNS - 32) - 16)[None].astype(np.float32)  # a disc of radius 16
BACKGROUND = np.tile(np.array([0.6, 0.3, 0.5], dtype=np.float32), (1, SIDE, SIDE, 1))
COLOR = np.array([0.1, 0.2, 0.9], dtype=np.float32)
PRESETS = ("default", "gray", "thermal", "drawn", "tiny")


def preset(name: str) -> Appearance:
    register_resolvers()
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        appearance = instantiate(
            compose("train", overrides=["paths.run=run", "experiment=demo", f"data/appearance={name}"]).data.appearance
        )
    assert isinstance(appearance, Appearance)
    return appearance


def scene(appearance: Appearance, *, seed: int = 0) -> np.ndarray:
    return render_scene(
        scene_class=composition_class((0, 2, 4)), frames=6, size_pixels=SIDE, appearance=appearance, generator=np.random.default_rng(seed)
    )


def test_filled_has_the_two_colors() -> None:
    image = filled(BACKGROUND, DISTANCE, COLOR)[0]
    assert np.allclose(image[32, 32], COLOR)
    assert np.allclose(image[0, 0], BACKGROUND[0, 0, 0])


def test_thermal_is_gray_warm_inside_and_soft_at_the_edge() -> None:
    image = thermal(BACKGROUND, DISTANCE, COLOR)[0]
    assert image.dtype == np.float32
    assert np.array_equal(image, np.repeat(image[..., :1], 3, axis=-1))
    profile = image[32, 32:, 0]  # from the center outward; the edge is at 16
    assert (np.diff(profile) <= 1e-6).all()
    assert profile[0] > 0.7
    assert profile[-1] < 0.35
    hard = filled(BACKGROUND, DISTANCE, COLOR)[0][32, 32:, 2]
    assert (np.abs(np.diff(profile)) > 0.01).sum() >= 4 > (np.abs(np.diff(hard)) > 0.01).sum()


def test_the_temperature_does_not_depend_on_the_hue() -> None:
    one, other = (thermal(BACKGROUND, DISTANCE, np.array(color, dtype=np.float32)) for color in ((0.1, 0.2, 0.9), (0.9, 0.3, 0.1)))
    assert np.array_equal(one, other)


def test_drawn_is_a_dark_line_on_paper_of_equal_brightness_inside_and_outside() -> None:
    image = drawn(BACKGROUND, DISTANCE, COLOR)[0]
    assert np.array_equal(image, np.repeat(image[..., :1], 3, axis=-1))
    assert image[32, 32, 0] == image[0, 0, 0] > 0.85
    line = image[..., 0] < 0.6
    assert (np.abs(DISTANCE[0][line]) < 1.5).all()
    assert line.sum() == pytest.approx(2 * np.pi * 16 * 0.022 * SIDE, rel=0.3)


@pytest.mark.parametrize("draw", [filled, thermal, drawn])
def test_a_scene_without_objects_is_its_background(draw) -> None:
    image = draw(BACKGROUND, np.full((1, SIDE, SIDE), np.inf, dtype=np.float32), COLOR)
    assert np.ptp(image.reshape(-1, 3), axis=0).max() < 1e-6


def test_noise_has_its_deviation_and_differs_from_frame_to_frame() -> None:
    video = noisy(np.full((4, 32, 32, 3), 0.5, dtype=np.float32), noise=0.05, generator=np.random.default_rng(0))
    assert np.array_equal(video, np.repeat(video[..., :1], 3, axis=-1))
    assert (video - 0.5).std() == pytest.approx(0.05, rel=0.05)
    assert np.corrcoef(video[0, ..., 0].ravel(), video[1, ..., 0].ravel())[0, 1] < 0.2


def test_presets_show_the_same_scene() -> None:
    """Objects are where they are in color: brighter in thermal images, lines around them in drawn ones."""
    colored, warm, lines = (scene(preset(name)).astype(float) for name in ("default", "thermal", "drawn"))
    chroma = np.ptp(colored, axis=-1)
    inside = chroma > 0.6 * chroma.max(axis=(1, 2), keepdims=True)
    for frame in range(6):
        assert warm[frame][inside[frame]].mean() > warm[frame][~inside[frame]].mean() + 20
    dark = lines[..., 0] < 128
    near = np.zeros_like(inside)
    for rows in (-2, 0, 2):
        for columns in (-2, 0, 2):
            near |= np.roll(inside, (rows, columns), axis=(1, 2))
    assert dark.any(axis=(1, 2)).all()
    assert (dark & near).sum() > 0.9 * dark.sum()


def test_each_preset_has_its_folder_and_the_default_is_described_as_before() -> None:
    described = {name: preset(name).describe() for name in PRESETS}
    assert len({repr(values) for values in described.values()}) == len(PRESETS)
    assert {name: sorted(set(values) - set(described["default"])) for name, values in described.items()} == {
        "default": [],
        "gray": ["gray"],
        "thermal": ["noise", "style"],
        "drawn": ["style"],
        "tiny": [],
    }


@pytest.mark.parametrize("changed", [{"style": "painted"}, {"noise": -0.1}, {"noise": 2.0}])
def test_unknown_values_are_refused(changed: dict[str, object]) -> None:
    values = {**vars(preset("default")), **changed}
    with pytest.raises(InputError, match=f"appearance.{next(iter(changed))}.*data/appearance"):
        Appearance(**values)
