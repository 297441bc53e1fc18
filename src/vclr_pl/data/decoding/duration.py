"""How long a video lasts."""

from __future__ import annotations

from os import PathLike

import av

from vclr_pl.data.decoding.protocol import VideoReadError, existing_file


def video_seconds(path: str | PathLike[str]) -> float | None:
    """As the file's header says, else from the times of its packets; None where it cannot be read. Nothing is decoded."""
    try:
        with av.open(existing_file(path, backend="pyav")) as container:
            stream = container.streams.best("video")
            if stream is None:
                return None
            if stream.duration:
                return float(stream.duration * stream.time_base)
            if container.duration and container.duration > 0:
                return float(container.duration / av.time_base)
            spans = [(packet.pts, packet.duration or 0) for packet in container.demux(stream) if packet.pts is not None and packet.size]
            if not spans:
                return None
            ticks = max(start + length for start, length in spans) - min(start for start, _ in spans)
            return float(ticks * stream.time_base) or None
    except (av.FFmpegError, OSError, ValueError, VideoReadError):
        return None
