"""Draws task_*.jpg, pictures of the demo's tasks, from videos of seed 0: `python docs/images/draw_demo_tasks.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vclr_pl.datasets.demo.drawing import Appearance, render_scene
from vclr_pl.datasets.demo.tasks import scene_classes

APPEARANCE = Appearance(  # conf/data/demo.yaml
    copies=4,
    hue_spread=0.08,
    radius_fraction=(0.13, 0.18),
    background_saturation=0.25,
    stripe_contrast=0.06,
    speed_fraction=0.02,
    exposure_range=(0.8, 1.2),
    contrast_range=(0.8, 1.2),
    gray=False,
)
SHOWN = {
    "composition": ("BarsDiscRing", "PlusRingSquare"),
    "order": ("BarsDiscRing", "RingDiscBars"),
    "shape": ("BarsDiscRing", "PlusRingSquare"),
    "motion": ("LeftGrowClockwise", "RightShrinkCounterclockwise"),
}
VIDEOS_PER_CLASS = 2
FRAMES, SIDE, GAP, THIRD_GAP, LINE = 15, 64, 2, 10, 22
WIDTH = FRAMES * (SIDE + GAP) + 2 * THIRD_GAP + 2 * GAP


def strip(task: str, name: str, index: int) -> NDArray[np.uint8]:
    """The frames of the first training videos of a class."""
    scene_class = next(scene_class for scene_class in scene_classes(task) if scene_class.name == name)
    generator = np.random.default_rng((0, *scene_class.entropy, 1, index))
    return render_scene(scene_class=scene_class, frames=FRAMES, size_pixels=SIDE, appearance=APPEARANCE, generator=generator)


def sheet(task: str) -> Image.Image:
    """Two videos of two classes, one row a video."""
    height = len(SHOWN[task]) * (LINE + VIDEOS_PER_CLASS * (SIDE + GAP)) + GAP
    picture = Image.new("RGB", (WIDTH, height), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=15)
    top = 0
    for name in SHOWN[task]:
        draw.text((GAP, top + 1), name, fill="#1d2733", font=font)
        top += LINE
        for index in range(VIDEOS_PER_CLASS):
            for frame, pixels in enumerate(strip(task, name, index)):
                picture.paste(Image.fromarray(pixels), (GAP + frame * (SIDE + GAP) + frame // 5 * THIRD_GAP, top))
            top += SIDE + GAP
    return picture


if __name__ == "__main__":
    for task in SHOWN:
        sheet(task).save(Path(__file__).parent / f"task_{task}.jpg", quality=88)
