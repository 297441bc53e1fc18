"""How much video a list contains, from the headers of its files."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.files import available_cores
from vclr_pl.video.container import video_seconds
from vclr_pl.video.readability import map_in_processes

BUDGET_SECONDS = 1.5  # of the start of a run; a header takes one to three milliseconds on a local disk
FILES_PER_PIECE = 100

Part = tuple[str, float]  # a path, and the share of its file that the video is


@dataclass(frozen=True, kw_only=True)
class Footage:
    """Length of the videos of a list.

    Args:
        videos: number of videos in the list.
        read: number of videos whose headers were read: a random sample if it is less than `videos`.
        total_seconds: of all videos, extrapolated from the sample; None if no file has a duration, as in folders of frames.
        median_seconds: of the videos with a duration.
        unreadable: number of the read files that are no videos or have no duration.
    """

    videos: int
    read: int = 0
    total_seconds: float | None = None
    median_seconds: float | None = None
    unreadable: int = 0


def footage_of(manifest: Manifest, *, budget_seconds: float = BUDGET_SECONDS) -> Footage:
    """Read the headers of the videos, in random order, until all are read or the time is over.

    Child processes read them, so that a file that crashes or stops FFmpeg costs the few files that are read with it.
    """
    if manifest.remote is not None:
        return Footage(videos=len(manifest))  # each header would be the transfer of a file
    lengths: list[float | None] = []
    folders, ends = 0, math.inf
    found = map_in_processes(
        _pieces(manifest), work=_seconds_of, failed=lambda *_: ([], 0), processes=min(4, available_cores()), silence_seconds=budget_seconds
    )
    for seconds, frame_folders in found:
        lengths += seconds
        folders += frame_folders
        ends = min(ends, time.monotonic() + budget_seconds)  # the start of the processes does not count
        if time.monotonic() > ends:
            break
    found.close()  # type: ignore[attr-defined]  # a generator; it ends the processes
    known = [seconds for seconds in lengths if seconds is not None]
    read = len(lengths) + folders
    return Footage(
        videos=len(manifest),
        read=read,
        total_seconds=sum(known) / read * len(manifest) if known else None,
        median_seconds=statistics.median(known) if known else None,
        unreadable=lengths.count(None),
    )


def _pieces(manifest: Manifest) -> Iterator[list[Part]]:
    order = np.random.default_rng(0).permutation(len(manifest))
    for start in range(0, len(order), FILES_PER_PIECE):
        indices = order[start : start + FILES_PER_PIECE].tolist()
        yield [(manifest.path(index), manifest.span(index)[1] - manifest.span(index)[0]) for index in indices]


def _seconds_of(parts: Sequence[Part], sign_of_life: Callable[[], None]) -> tuple[list[float | None], int]:
    """The lengths of files, and the number of folders of frames."""
    found: list[float | None] = []
    files = [(path, share) for path, share in parts if not Path(path).is_dir()]
    for path, share in files:
        seconds = video_seconds(path)
        found.append(None if seconds is None else seconds * share)
        sign_of_life()
    return found, len(parts) - len(files)
