"""`broken_videos.csv`: the videos of a run that could not be read, each once, with the backend that tried and the cause."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from vclr_pl.types import BrokenVideo, BrokenVideosError, InputError
from vclr_pl.whole_file import ANY_BYTE, write_csv

BROKEN_VIDEOS = "broken_videos.csv"
COLUMNS = ("path", "backend", "reason")


def add_to_broken_list(file: Path, videos: Iterable[BrokenVideo]) -> None:
    """Adds `videos` to the list in `file`, which is made where it is not there; of a video listed before, the new cause counts."""
    listed = {video.path: video for video in (*_listed(file), *videos)}
    write_csv(file, COLUMNS, ((video.path, video.backend, video.reason) for video in listed.values()))


def listed_error(error: BrokenVideosError, *, file: Path) -> InputError:
    """The error with its videos written to `file`, which it names."""
    add_to_broken_list(file, error.broken)
    return InputError(expected=error.expected, got=error.got, remedy=f"{error.remedy} All of them are listed in {file}.")


def _listed(file: Path) -> list[BrokenVideo]:
    if not file.is_file():
        return []
    with file.open(newline="", **ANY_BYTE) as stream:
        return [BrokenVideo(path=line["path"], backend=line["backend"], reason=line["reason"]) for line in csv.DictReader(stream)]
