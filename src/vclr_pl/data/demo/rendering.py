"""Videos to H.264 files: only what is missing, each file whole or absent, with a progress bar.

The folder's name carries a digest of everything that shapes a pixel, so that changed settings never meet old files.
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

from vclr_pl.data.demo.catalog import LIST_FOLDER, VIDEO_FOLDER, PlannedVideo, list_files, plan_videos
from vclr_pl.data.demo.scene import Appearance, render_scene
from vclr_pl.whole_file import write_whole

VERSION = 1  # of the drawing: raise it whenever a pixel changes
FRAMES_PER_SECOND = 15
# Training opens each file dozens of times and reads 6 frames here and there: keyframes only, nothing reordered.
ENCODER_OPTIONS = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18", "g": "1", "x264-params": "log=-1"}


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """All that decides the content of the set."""

    seed: int
    train_videos_per_class: int
    test_videos_per_class: int
    frames: int
    size_pixels: int
    appearance: Appearance

    def describe(self) -> dict[str, object]:
        """As written to `demo.json`."""
        return {"version": VERSION, "encoder": ENCODER_OPTIONS, "frames_per_second": FRAMES_PER_SECOND, **asdict(self)}

    @property
    def folder_name(self) -> str:
        """`seed0-1a2b3c4d`: equal for equal settings, whether their ranges came as lists or tuples."""
        digest = hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()
        return f"seed{self.seed}-{digest[:8]}"


def render_set(*, root: Path, settings: DemoSettings) -> Path:
    """Renders what is missing of the set below `root` and returns its folder, in UCF101's layout.

    Files that are there are kept: an interrupted rendering goes on where it stopped. Ranks may do it at the same time.
    """
    folder = root / settings.folder_name
    videos = plan_videos(train_videos_per_class=settings.train_videos_per_class, test_videos_per_class=settings.test_videos_per_class)
    missing = [video for video in videos if not (folder / VIDEO_FOLDER / video.listed_path).exists()]
    if missing:
        _render_missing(missing, folder / VIDEO_FOLDER, settings)
    for name, text in list_files(videos).items():
        write_whole(folder / LIST_FOLDER / name, text)
    write_whole(folder / "demo.json", json.dumps(settings.describe(), indent=2))
    return folder


def _render_missing(missing: list[PlannedVideo], video_folder: Path, settings: DemoSettings) -> None:
    for name in {video.class_name for video in missing}:
        (video_folder / name).mkdir(parents=True, exist_ok=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    # One thread: two were no faster here (small arrays, one interpreter), and processes would each import torch first.
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
    """RGB frames `[T, H, W, 3]` (even H and W) to an MP4 file of keyframes, 4:2:0 as real videos are."""
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
