"""Draw and encode the demo's videos.

Legend: T frames of a shot, N copies of the object, H W pixels.

a video  = 3 thirds, each shows one kind of object; the class is the set of the three kinds, in any order
    a third  = 2 shots, each with its own background, object positions, speeds, rotation, hue, and brightness
    constant = exposure, contrast, saturation, object size: the properties that pretraining augments

The folder's name contains a digest of all settings that affect a pixel, so changed settings never reuse old files.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
import json
import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vclr_pl.datasets.demo.catalog import KINDS, LIST_FOLDER, VIDEO_FOLDER, Field, PlannedVideo, list_files, plan_videos
from vclr_pl.files import write_whole

THIRDS = 3
SHOTS_PER_THIRD = 2


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """Variation of the videos' appearance. Ranges are sampled uniformly; hues are fractions of the color circle.

    Args:
        copies: objects in a frame, all of the same kind.
        hue_spread: largest deviation of a kind's hue from its sixth of the circle.
        radius_fraction: least and largest object radius, as a fraction of the frame's side; constant in a video.
        background_saturation: saturation of the two background colors, 0 (gray) to 1.
        stripe_contrast: largest amplitude of the background's stripes, 0 to 1.
        speed_fraction: largest step of an object from frame to frame, as a fraction of the frame's side.
        exposure_range: least and largest brightness factor; constant in a video.
        contrast_range: least and largest factor about middle gray and about each pixel's own gray; constant in a video.
    """

    copies: int
    hue_spread: float
    radius_fraction: tuple[float, float]
    background_saturation: float
    stripe_contrast: float
    speed_fraction: float
    exposure_range: tuple[float, float]
    contrast_range: tuple[float, float]


def render_scene(
    *, kinds: tuple[int, int, int], frames: int, size_pixels: int, appearance: Appearance, generator: Generator
) -> NDArray[np.uint8]:
    """RGB frames `[frames, size, size, 3]` of a video of these kinds, in random order."""
    order = generator.permutation(THIRDS)
    radius_pixels = size_pixels * generator.uniform(*appearance.radius_fraction)
    shots = [
        _render_shot(kinds[order[third]], shot_frames, size_pixels, radius_pixels, appearance, generator)
        for third in range(THIRDS)
        for shot_frames in _shot_lengths(frames * (third + 1) // THIRDS - frames * third // THIRDS, generator)
    ]
    video = _develop(np.concatenate(shots), appearance, generator)
    pixels: NDArray[np.uint8] = np.rint(video * 255.0).astype(np.uint8)
    return pixels


def _shot_lengths(frames: int, generator: Generator) -> list[int]:
    cut = frames // SHOTS_PER_THIRD + (int(generator.integers(2)) if frames % SHOTS_PER_THIRD else 0)
    return [cut, frames - cut]


def _render_shot(kind: int, frames: int, size_pixels: int, radius_pixels: float, appearance: Appearance, generator: Generator) -> Field:
    rows_HW, columns_HW = np.meshgrid(*[np.arange(size_pixels, dtype=np.float32)] * 2, indexing="ij")
    pan_T2 = _pan(frames, size_pixels * appearance.speed_fraction, generator)
    background_THW3 = _background(rows_HW + pan_T2[:, :1, None], columns_HW + pan_T2[:, 1:, None], size_pixels, appearance, generator)
    inside_THW = _objects(kind, frames, rows_HW, columns_HW, radius_pixels, appearance, generator)[..., None]
    hue = kind / len(KINDS) + generator.uniform(-appearance.hue_spread, appearance.hue_spread)
    color_3 = _rgb(hue, generator.uniform(0.75, 1.0), generator.uniform(0.6, 1.0))
    return background_THW3 + inside_THW * (color_3 - background_THW3)


def _pan(frames: int, speed_pixels: float, generator: Generator) -> Field:
    """`[T, 2]` row and column of the camera, in pixels."""
    steps = np.arange(frames, dtype=np.float32)[:, None]
    return steps * generator.uniform(-speed_pixels, speed_pixels, size=2).astype(np.float32)


def _background(rows_THW: Field, columns_THW: Field, size_pixels: int, appearance: Appearance, generator: Generator) -> Field:
    """`[T, H, W, 3]`: a gradient between two colors, with faint stripes."""
    near_3, far_3 = (_rgb(generator.random(), appearance.background_saturation, generator.uniform(0.2, 0.9)) for _ in range(2))
    slope, turn = generator.uniform(0.0, 2.0 * math.pi, size=2).tolist()
    period_pixels = size_pixels * generator.uniform(0.1, 0.4)
    amplitude = generator.uniform(0.0, appearance.stripe_contrast)
    along_THW = (rows_THW * math.sin(slope) + columns_THW * math.cos(slope)) / size_pixels
    mix_THW1 = np.clip(0.5 + 0.5 * along_THW, 0.0, 1.0)[..., None]
    wave_THW1 = np.sin((rows_THW * math.sin(turn) + columns_THW * math.cos(turn)) * (2.0 * math.pi / period_pixels))[..., None]
    background_THW3 = near_3 + mix_THW1 * (far_3 - near_3) + amplitude * wave_THW1
    return background_THW3.astype(np.float32, copy=False)


def _objects(
    kind: int, frames: int, rows_HW: Field, columns_HW: Field, radius_pixels: float, appearance: Appearance, generator: Generator
) -> Field:
    """`[T, H, W]` fraction of each pixel that is covered by an object, 0 to 1."""
    size_pixels = rows_HW.shape[0]
    side = int(np.ceil(np.sqrt(appearance.copies)))
    cells = generator.permutation(side * side)[: appearance.copies]
    distance_THW = np.full((frames, size_pixels, size_pixels), np.inf, dtype=np.float32)
    for cell in cells:
        # one copy per cell, so that a crop of a fifth of the frame rarely misses all of them
        start_2 = (np.array(divmod(int(cell), side)) + generator.uniform(0.15, 0.85, size=2)) * (size_pixels / side)
        speed_2 = size_pixels * generator.uniform(-appearance.speed_fraction, appearance.speed_fraction, size=2)
        center_T2 = start_2 + np.arange(frames)[:, None] * speed_2
        angle_T = generator.uniform(0.0, 2.0 * np.pi) + np.arange(frames) * generator.uniform(-0.3, 0.3)
        cosine_T, sine_T = (f(angle_T).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
        down_THW = rows_HW - center_T2[:, 0, None, None].astype(np.float32)
        right_THW = columns_HW - center_T2[:, 1, None, None].astype(np.float32)
        turned = right_THW * cosine_T + down_THW * sine_T, down_THW * cosine_T - right_THW * sine_T
        np.minimum(distance_THW, KINDS[kind][1](*turned, radius_pixels), out=distance_THW)
    covered_THW: Field = np.clip(0.5 - distance_THW, 0.0, 1.0)
    return covered_THW


def _develop(video_THW3: Field, appearance: Appearance, generator: Generator) -> Field:
    """The same exposure, contrast and saturation for every frame of a video, clipped to 0..1."""
    exposure = generator.uniform(*appearance.exposure_range)
    contrast, saturation = generator.uniform(*appearance.contrast_range, size=2).tolist()
    contrasted_THW3 = (video_THW3 * exposure - 0.5) * contrast + 0.5
    gray_THW1 = contrasted_THW3.mean(axis=-1, keepdims=True)
    developed_THW3: Field = np.clip(gray_THW1 + (contrasted_THW3 - gray_THW1) * saturation, 0.0, 1.0)
    return developed_THW3


def _rgb(hue: float, saturation: float, brightness: float) -> Field:
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, brightness), dtype=np.float32)


VERSION = 1  # version of the drawing: increment it whenever a pixel changes
FRAMES_PER_SECOND = 15
# Training opens each file dozens of times and reads 6 scattered frames: keyframes only, no reordering.
ENCODER_OPTIONS = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18", "g": "1", "x264-params": "log=-1"}


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """All settings that determine the content of the set."""

    seed: int
    train_videos_per_class: int
    test_videos_per_class: int
    frames: int
    size_pixels: int
    appearance: Appearance

    def describe(self) -> dict[str, object]:
        """The content of `demo.json`."""
        return {"version": VERSION, "encoder": ENCODER_OPTIONS, "frames_per_second": FRAMES_PER_SECOND, **asdict(self)}

    @property
    def folder_name(self) -> str:
        """`seed0-1a2b3c4d`: equal for equal settings, whether their ranges came as lists or tuples."""
        digest = hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()
        return f"seed{self.seed}-{digest[:8]}"


def render_set(*, root: Path, settings: DemoSettings) -> Path:
    """Render the missing videos of the set below `root`. Return its folder, in UCF101's layout.

    Existing files are kept, so an interrupted rendering continues. Ranks may render at the same time.
    """
    folder = root / settings.folder_name
    videos = plan_videos(train_videos_per_class=settings.train_videos_per_class, test_videos_per_class=settings.test_videos_per_class)
    missing = [video for video in videos if not (folder / VIDEO_FOLDER / video.listed_path).exists()]
    if missing:
        _render_missing(missing, folder / VIDEO_FOLDER, settings)
    texts = {folder / LIST_FOLDER / name: text for name, text in list_files(videos).items()}
    for path, text in {**texts, folder / "demo.json": json.dumps(settings.describe(), indent=2)}.items():
        if not path.is_file() or path.read_text() != text:  # a rewritten file counts as changed data
            write_whole(path, text)
    return folder


def _render_missing(missing: list[PlannedVideo], video_folder: Path, settings: DemoSettings) -> None:
    for name in {video.class_name for video in missing}:
        (video_folder / name).mkdir(parents=True, exist_ok=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    # One thread: two were not faster (small arrays, one interpreter), and processes would each have to import torch.
    with Progress(*columns) as progress:
        for video in progress.track(missing, description=f"Rendering demo videos into {video_folder.parent.name}"):
            write_whole(video_folder / video.listed_path, render_file(video, settings))


def render_file(video: PlannedVideo, settings: DemoSettings) -> bytes:
    """The bytes of the video's MP4 file."""
    generator = np.random.default_rng((settings.seed, *video.entropy))
    frames = render_scene(
        kinds=video.kinds, frames=settings.frames, size_pixels=settings.size_pixels, appearance=settings.appearance, generator=generator
    )
    return encode_h264(frames)


def encode_h264(frames_THW3: NDArray[np.uint8]) -> bytes:
    """Encode RGB frames `[T, H, W, 3]` (even H and W) as an MP4 file of keyframes, with 4:2:0 subsampling as in real videos."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(FRAMES_PER_SECOND), options=dict(ENCODER_OPTIONS))
        stream.height, stream.width = frames_THW3.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1  # the same bytes on every machine
        for frame_HW3 in frames_THW3:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame_HW3, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()
