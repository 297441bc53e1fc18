"""A segment of a video for people: its times, and the address that opens the file there."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from vclr_pl.text import duration
from vclr_pl.types import VideoSegment


def segment_in_words(segment: VideoSegment) -> str:
    """`2:19 to 2:23`; for a folder of pictures its frames, counted from 1, and the seconds at the given frame rate."""
    start, end = segment.seconds
    times = f"{duration(start)} to {duration(end)}"
    first, last = segment.frames
    return times if segment.is_timed else f"frames {first + 1} to {last} ({times} at the given frame rate)"


def segment_address(segment: VideoSegment, *, path: str, folder: Path) -> str:
    """Address of the file, relative to the page's `folder`, at the segment's times (a media fragment); empty for a folder of pictures.

    https://www.w3.org/TR/media-frags/#naming-time
    """
    if not segment.is_timed or not segment.seconds[1]:
        return ""
    start, end = segment.seconds
    try:
        place = os.path.relpath(path, folder)  # as the page itself, it may be moved together with the videos
    except ValueError:  # another drive of Windows
        place = Path(path).absolute().as_uri()
        return f"{place}#t={start:.3f},{end:.3f}"
    return f"{quote(os.fsencode(place.replace(os.sep, '/')))}#t={start:.3f},{end:.3f}"
