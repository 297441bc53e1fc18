"""`data=demo_untrimmed`: windows of the demo's untrimmed videos, for pretraining without labels."""

from __future__ import annotations

from pathlib import Path

from vclr_pl.datasets.activitynet import TRAINING
from vclr_pl.datasets.demo.drawing import Appearance
from vclr_pl.datasets.demo.rendering import FRAMES_PER_SECOND
from vclr_pl.datasets.demo.splits import require_own_cache
from vclr_pl.datasets.demo.untrimmed import VIDEOS, UntrimmedSettings, identities, plan_video, render_untrimmed
from vclr_pl.datasets.manifest import ManifestBuilder, VideoSplits
from vclr_pl.types import InputError

LEAST_SECONDS = 1.0


def demo_untrimmed_windows(
    *,
    root: str | Path,
    window_seconds: float,
    seed: int,
    training_videos: int,
    validation_videos: int,
    seconds_range: tuple[float, float],
    size_pixels: int,
    appearance: Appearance,
) -> VideoSplits:
    """Windows of the training videos as a training list, without labels and without a test list.

    Args:
        root: folder that contains only rendered sets, that of `untrimmed=demo` included; created if missing.
        window_seconds: windows follow each other from the start of a video. The last one may be down to half as long; shorter,
            it is left out.
        seed, training_videos, validation_videos, seconds_range, size_pixels, appearance: as in `demo_untrimmed`; they
            determine the videos.

    Raises:
        InputError: a value out of range, or a `root` with other files in it.
    """
    settings = UntrimmedSettings(
        seed=seed,
        training_videos=training_videos,
        validation_videos=validation_videos,
        seconds_range=(float(seconds_range[0]), float(seconds_range[1])),
        size_pixels=size_pixels,
        appearance=appearance,
    )
    settings.check(node="data")
    if not LEAST_SECONDS <= window_seconds <= settings.seconds_range[0]:
        raise InputError(
            expected=f"data.window_seconds of {LEAST_SECONDS:g} to the shortest video's {settings.seconds_range[0]:g}",
            got=str(window_seconds),
            hint="Set data.window_seconds=6.",
        )
    require_own_cache(Path(root).expanduser(), key="data.root", own_videos="experiment=folder data.root=DIR")
    folder = render_untrimmed(root=Path(root).expanduser(), settings=settings)
    builder = ManifestBuilder(root=folder / VIDEOS)
    for identity in identities(settings):
        if identity.startswith(TRAINING):
            frames = plan_video(identity, settings)[-1].end
            for first, end in windows(frames, window_frames=round(window_seconds * FRAMES_PER_SECOND)):
                builder.add(folder / VIDEOS / f"{identity}.mp4", span=(first / frames, end / frames))
    return VideoSplits(train=builder.finish()).told(root=folder)


def windows(frames: int, *, window_frames: int) -> list[tuple[int, int]]:
    """First frame and end (exclusive) of the windows of a video of `frames` frames."""
    starts = range(0, frames, window_frames)
    return [(first, min(first + window_frames, frames)) for first in starts if 2 * (frames - first) >= window_frames]
