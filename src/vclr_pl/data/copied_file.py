"""The files of a copied data set: what happened to each, and a summary."""

from __future__ import annotations

from dataclasses import dataclass

REENCODED, COPIED, KEPT, PRESENT, ABSENT = "reencoded", "copied", "kept", "present", "absent"


@dataclass(frozen=True)
class CopiedFile:
    """One row of `prepare.csv`.

    | status | file |
    |---|---|
    | reencoded | a video |
    | copied | not a video |
    | kept | a video that does not decode; it is copied unchanged |
    | present | finished by an earlier command |
    | absent | cannot be copied |
    """

    path: str  # relative to both folders
    status: str
    bytes_before: int
    bytes_after: int
    frames: int
    seconds: float
    reason: str  # reason for a video that is kept

    @property
    def failed(self) -> bool:
        return self.status in (KEPT, ABSENT)


def summary(rows: list[CopiedFile]) -> str:
    """The number of files by status, and the size of the videos, in words."""
    counts = {status: sum(row.status == status for row in rows) for status in (REENCODED, KEPT, PRESENT)}
    videos = [row for row in rows if row.status in (REENCODED, KEPT)]
    before, after = sum(row.bytes_before for row in videos) / 1e6, sum(row.bytes_after for row in videos) / 1e6
    videos_done = f"{counts[REENCODED]} videos re-encoded, {counts[KEPT]} copied unchanged: {before:.1f} MB became {after:.1f} MB"
    return f"{videos_done}; {counts[PRESENT]} files already existed"
