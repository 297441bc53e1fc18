"""Render and encode the demo's videos into a folder.

The folder's name contains a digest of all settings that affect a pixel, so changed settings never reuse old files.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vclr_pl.datasets.demo.catalog import LIST_FOLDER, VIDEO_FOLDER, PlannedVideo, list_files, plan_videos
from vclr_pl.datasets.demo.drawing import Appearance, render_scene
from vclr_pl.datasets.demo.tasks import COMPOSITION
from vclr_pl.files import write_whole
from vclr_pl.stop import stop_if_requested

VERSION = 1  # version of the drawing: increment it whenever a pixel changes
FRAMES_PER_SECOND = 15
# Training opens each file dozens of times and reads 6 scattered frames: keyframes only, no reordering.
ENCODER_OPTIONS = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18", "g": "1", "x264-params": "log=-1"}


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """All settings that determine the content of the set."""

    task: str
    seed: int
    train_videos_per_class: int
    test_videos_per_class: int
    frames: int
    size_pixels: int
    appearance: Appearance

    def describe(self) -> dict[str, object]:
        """The content of `demo.json`; without the task if it is `composition`, the only one of earlier versions."""
        chosen = {**asdict(self), "appearance": self.appearance.describe()}
        if self.task == COMPOSITION:
            del chosen["task"]
        return {"version": VERSION, "encoder": ENCODER_OPTIONS, "frames_per_second": FRAMES_PER_SECOND, **chosen}

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
    videos = plan_videos(
        task=settings.task, train_videos_per_class=settings.train_videos_per_class, test_videos_per_class=settings.test_videos_per_class
    )
    missing = [video for video in videos if not (folder / VIDEO_FOLDER / video.listed_path).exists()]
    if missing:
        _render_missing(missing, folder / VIDEO_FOLDER, settings)
    texts = {folder / LIST_FOLDER / name: text for name, text in list_files(videos).items()}
    for path, text in {**texts, folder / "demo.json": json.dumps(settings.describe(), indent=2)}.items():
        if not path.is_file() or path.read_text() != text:  # a rewritten file counts as changed data
            write_whole(path, text)
    return folder


def _render_missing(missing: list[PlannedVideo], video_folder: Path, settings: DemoSettings) -> None:
    for name in {video.scene_class.name for video in missing}:
        (video_folder / name).mkdir(parents=True, exist_ok=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    # One thread: two were not faster (small arrays, one interpreter), and processes would each have to import torch.
    with Progress(*columns) as progress:
        for video in progress.track(missing, description=f"Rendering demo videos into {video_folder.parent.name}"):
            stop_if_requested()
            write_whole(video_folder / video.listed_path, render_file(video, settings))


def render_file(video: PlannedVideo, settings: DemoSettings) -> bytes:
    """The bytes of the video's MP4 file."""
    generator = np.random.default_rng((settings.seed, *video.entropy))
    frames = render_scene(
        scene_class=video.scene_class,
        frames=settings.frames,
        size_pixels=settings.size_pixels,
        appearance=settings.appearance,
        generator=generator,
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
