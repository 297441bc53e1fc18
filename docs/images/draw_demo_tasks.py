"""Draws task_*.jpg, pictures of the procedural benchmark, from videos of seed 0: `python docs/images/draw_demo_tasks.py`.

A third of a video has a frame in the color of what it shows, and the name of it below: equal colors show the same.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vclr_pl.config_path import config_folder
from vclr_pl.datasets.demo.drawing import Appearance, render_scene
from vclr_pl.datasets.demo.kinds import KINDS
from vclr_pl.datasets.demo.rendering import FRAMES_PER_SECOND
from vclr_pl.datasets.demo.tasks import CLASS_KINDS, Change, SceneClass, Third, composition_class, scene_classes
from vclr_pl.datasets.demo.untrimmed import Stretch
from vclr_pl.runner.composition import register_resolvers

Frames = NDArray[np.uint8]
SHOWN: dict[str, dict[str, int]] = {  # by class the number of videos
    "composition": {"BarsDiscRing": 2, "PlusRingSquare": 2},
    "order": {"BarsDiscRing": 1, "RingDiscBars": 1, "DiscRingBars": 1},
    "shape": {"BarsDiscRing": 2, "PlusRingSquare": 2},
    "motion": {"LeftGrowClockwise": 1, "RightShrinkCounterclockwise": 1},
    "arrow": {"BarsDiscRing": 2, "PlusRingSquare": 2},
}
TITLES = {
    "composition": "composition: which three kinds, in any order",
    "order": "order: the same three kinds, in which order",
    "shape": "shape: which three kinds, in any color and order",
    "motion": "motion: the direction of each of three changes",
    "arrow": "arrow: which three kinds, always in the same order",
    "untrimmed": "untrimmed: when is the event, and of which class",
    "domains": "domains: one video of composition in each",
}
MOTIONS = {
    (Change.POSITION, -1): "to the left",
    (Change.POSITION, 1): "to the right",
    (Change.SIZE, -1): "shrinks",
    (Change.SIZE, 1): "grows",
    (Change.ANGLE, -1): "turns counterclockwise",
    (Change.ANGLE, 1): "turns clockwise",
}
KIND_COLORS = ("#c0392b", "#9a7d0a", "#1e8449", "#117a8b", "#2455b0", "#8e3aa8")
SIGN_COLORS = {-1: "#c0392b", 1: "#2455b0"}
QUIET, INK, PAPER = "#8a94a0", "#1d2733", "#ffffff"
FRAMES, SIDE, GAP, THIRD_GAP, EDGE = 15, 96, 3, 18, 5
OF_THIRD = (0, 2, 4)  # frames shown of each third: both shots
MARGIN, TITLE, NAME, LABEL = 12, 40, 34, 30
WIDTH = 2 * MARGIN + 9 * SIDE + 6 * GAP + 2 * THIRD_GAP


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def appearance(name: str) -> Appearance:
    """A preset of conf/data/appearance."""
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        node = compose("train", overrides=["paths.run=run", "experiment=demo", f"data/appearance={name}"]).data.appearance
    made: Appearance = instantiate(node)
    return made


def seed_of(scene_class: SceneClass, index: int) -> tuple[int, ...]:
    """That of the training video `index`; the same for all classes of motion, whose frames are then the same."""
    entropy = (12, 1, 1, 1) if scene_class.thirds[0].motion else scene_class.entropy
    return (0, *entropy, 1, index)


def video(scene_class: SceneClass, index: int, looks: Appearance) -> tuple[Frames, list[Third]]:
    """The frames of a training video, and its thirds in the order they are shown."""
    seed = seed_of(scene_class, index)
    order = range(3) if scene_class.in_order else np.random.default_rng(seed).permutation(3)  # its first draw
    frames = render_scene(scene_class=scene_class, frames=FRAMES, size_pixels=SIDE, appearance=looks, generator=np.random.default_rng(seed))
    return frames, [scene_class.thirds[third] for third in order]


def shown_frames(frames_of_third: Frames, third: Third) -> Frames:
    """Three frames: of both shots, or for a motion the shot of three."""
    if third.motion is None:
        return frames_of_third[list(OF_THIRD)]
    steps = np.abs(np.diff(frames_of_third.astype(int), axis=0)).mean(axis=(1, 2, 3))
    return frames_of_third[:3] if steps[2] > steps[1] else frames_of_third[2:]


def label_of(third: Third) -> tuple[str, str]:
    """What a third shows, and its color."""
    if third.motion:
        return MOTIONS[third.motion.change, third.motion.sign], SIGN_COLORS[third.motion.sign]
    return KINDS[third.kinds[0]][0].lower(), KIND_COLORS[third.kinds[0]]


def panel(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], label: str, color: str) -> None:
    """A frame around pictures, with a label below."""
    draw.rectangle((box[0] - EDGE, box[1] - EDGE, box[2] + EDGE - 1, box[3] + EDGE - 1), outline=color, width=EDGE - 1)
    draw.text(((box[0] + box[2]) / 2, box[3] + EDGE + 1), label, fill=color, font=font(22), anchor="ma")


def blank(name: str, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (WIDTH, height), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN - EDGE, 8), TITLES[name], fill=INK, font=font(26))
    return picture, draw


def row(picture: Image.Image, draw: ImageDraw.ImageDraw, top: int, content: tuple[Frames, list[Third]], *, labels: bool = True) -> None:
    """A video: three frames of each third."""
    frames, thirds = content
    for place, third in enumerate(thirds):
        left = MARGIN + place * (3 * SIDE + 2 * GAP + THIRD_GAP)
        for number, pixels in enumerate(shown_frames(frames[5 * place : 5 * place + 5], third)):
            picture.paste(Image.fromarray(pixels), (left + number * (SIDE + GAP), top))
        if labels:
            panel(draw, (left, top, left + 3 * SIDE + 2 * GAP, top + SIDE), *label_of(third))


def sheet(task: str) -> Image.Image:
    """Videos of two or three classes, a row each."""
    step = SIDE + LABEL + 2 * EDGE
    picture, draw = blank(task, TITLE + sum(NAME + count * step + 8 for count in SHOWN[task].values()) + 4)
    top, looks = TITLE, appearance("default")
    by_name = {scene_class.name: scene_class for scene_class in scene_classes(task)}
    for name, count in SHOWN[task].items():
        draw.text((MARGIN - EDGE, top + 4), f"class {name}", fill=INK, font=font(22))
        top += NAME + EDGE
        for index in range(count):
            row(picture, draw, top, video(by_name[name], index, looks))
            top += step
        top += 8 - EDGE
    return picture


def domains() -> Image.Image:
    """One video in each preset of the appearance."""
    names = ("default", "gray", "thermal", "drawn", "tiny")
    step = NAME + SIDE + 6
    picture, draw = blank("domains", TITLE + len(names) * step + 10)
    for place, name in enumerate(names):
        top = TITLE + place * step
        draw.text((MARGIN, top + 4), f"data/appearance={name}", fill=INK, font=font(22))
        row(picture, draw, top + NAME, video(composition_class(CLASS_KINDS[0]), 0, appearance(name)), labels=False)
    return picture


def untrimmed() -> Image.Image:
    """Two videos as nine frames each, above a line of time with the events."""
    plans = (
        [Stretch(0, 120, ()), Stretch(120, 300, (0, 1, 2)), Stretch(300, 390, (4,)), Stretch(390, 510, (0, 1, 2)), Stretch(510, 600, ())],
        [Stretch(0, 150, (1, 2, 5)), Stretch(150, 300, ()), Stretch(300, 390, (3,)), Stretch(390, 600, (1, 2, 5))],
    )
    step, across = NAME + SIDE + 74, WIDTH - 2 * MARGIN
    picture, draw = blank("untrimmed", TITLE + len(plans) * step)
    for place, plan in enumerate(plans):
        top, frames = TITLE + place * step, plan[-1].end
        name = next(stretch.label for stretch in plan if stretch.is_event)
        draw.text((MARGIN, top + 4), f"class {name}, {frames / FRAMES_PER_SECOND:.0f} seconds", fill=INK, font=font(22))
        pixels = _of_plan(plan, seed=place)
        for number in range(9):
            left = MARGIN + round(number * (across - SIDE) / 8)
            picture.paste(Image.fromarray(pixels[round((number + 0.5) * frames / 9)]), (left, top + NAME))
        line = top + NAME + SIDE + 8
        for stretch in plan:
            left, right = (MARGIN + across * frame / frames for frame in (stretch.first, stretch.end))
            color = "#1e8449" if stretch.is_event else "#dfe3e8"
            draw.rectangle((left, line, right - 2, line + 16), fill=color)
            text = "event" if stretch.is_event else "one kind" if stretch.kinds else "background"
            draw.text(((left + right) / 2, line + 19), text, fill=color if stretch.is_event else "#5b6672", font=font(22), anchor="ma")
    return picture


def _of_plan(plan: list[Stretch], *, seed: int) -> Frames:
    generator, looks, parts = np.random.default_rng(seed), appearance("default"), []
    for stretch in plan:
        kinds = stretch.kinds if stretch.is_event else (*stretch.kinds, 0)[:1] * 3
        chosen = looks if stretch.kinds else replace(looks, copies=0)
        parts.append(
            render_scene(
                scene_class=composition_class((kinds[0], kinds[1], kinds[2])),
                frames=stretch.end - stretch.first,
                size_pixels=SIDE,
                appearance=chosen,
                generator=generator,
            )
        )
    return np.concatenate(parts)


if __name__ == "__main__":
    register_resolvers()
    pictures = {task: sheet(task) for task in SHOWN} | {"untrimmed": untrimmed(), "domains": domains()}
    for name, picture in pictures.items():
        picture.save(Path(__file__).parent / f"task_{name}.jpg", quality=88)
