"""Frame size, length and bit rate of a video, from its header and one decoded frame."""

from __future__ import annotations

import os

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.evaluation.duplicate_groups import VideoFacts
from vclr_pl.video.container import video_seconds
from vclr_pl.video.protocol import VideoDecoder, VideoReadError


def video_facts(manifest: Manifest, index: int, *, decoder: VideoDecoder) -> VideoFacts:
    """The facts of a video of the list, which may be a part of its file.

    A fact that cannot be read is 0, for instance the length of a frame folder.
    """
    try:
        with manifest.local_file(index) as path:
            return _facts(path, decoder=decoder, span=manifest.span(index))
    except VideoReadError:  # a server does not give it
        return VideoFacts(width=0, height=0, seconds=0.0, kilobits_per_second=0)


def _facts(path: str, *, decoder: VideoDecoder, span: tuple[float, float]) -> VideoFacts:
    try:
        with decoder.open(path) as reader:
            height, width = reader.frames([0]).shape[-2:]
    except (VideoReadError, OSError, IndexError):
        height = width = 0
    seconds = video_seconds(path) or 0.0
    bits = 8 * os.path.getsize(path) if seconds else 0  # noqa: PTH202 (a path may be any bytes)
    return VideoFacts(
        width=width,
        height=height,
        seconds=seconds * (span[1] - span[0]),
        kilobits_per_second=round(bits / seconds / 1000) if seconds else 0,
    )
