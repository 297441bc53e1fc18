"""A folder of maps: a sheet and a video for each video, a table of the numbers, and a list of the videos that could not be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vclr_pl.readable_name import readable
from vclr_pl.report.activation_sheet import ActivationSheet, MapRow
from vclr_pl.report.activation_video import ActivationVideo
from vclr_pl.report.broken_list import BROKEN_VIDEOS, add_to_broken_list, listed_error
from vclr_pl.types import BrokenVideo, nothing_readable
from vclr_pl.whole_file import whole_file, write_csv

TABLE = "activation_maps.csv"
COLUMNS = ("video", "encoder", "target", "score", "highest", "picture")
LONGEST_NAME = 80


@dataclass(kw_only=True)
class ActivationFolder:
    """Writes below `path`.

    Args:
        path: made where it is not there.
        sheet, film: how pictures and videos are drawn; no videos where `film` is None.

    Raises:
        OSError: `path` is a file, or cannot be made.
    """

    path: Path
    sheet: ActivationSheet
    film: ActivationVideo | None
    _lines: list[tuple[str, ...]] = field(default_factory=list)
    _broken: list[BrokenVideo] = field(default_factory=list)
    _stems: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def add(self, video: str, rows: Sequence[MapRow]) -> Path:
        """Draw one video's maps; the sheet's path."""
        stem = self._stem(video)
        picture = self.path / f"{stem}.png"
        with whole_file(picture) as draft:
            self.sheet.draw(rows, title=readable(Path(video).name)).save(draft, "PNG")
        if self.film is not None:
            self.film.write(rows, self.path / f"{stem}.mp4")
        self._lines += [(video, row.name, row.target, f"{row.score:.6g}", f"{row.highest:.6g}", picture.name) for row in rows]
        return picture

    def add_broken(self, video: BrokenVideo) -> None:
        self._broken.append(video)

    def finish(self) -> None:
        """Write the table and the list.

        Raises:
            BrokenVideosError: no video could be read.
        """
        if self._broken:
            add_to_broken_list(self.path / BROKEN_VIDEOS, self._broken)
        if not self._lines:
            raise listed_error(nothing_readable("videos", self._broken), file=self.path / BROKEN_VIDEOS)
        write_csv(self.path / TABLE, COLUMNS, self._lines)

    def _stem(self, video: str) -> str:
        """The video's name as a file name, numbered where two are alike."""
        plain = re.sub(r"[^\w.-]+", "_", readable(Path(video).stem))[:LONGEST_NAME].lstrip(".-") or "video"
        stem = next(
            name for number in range(1, len(self._stems) + 2) if (name := plain if number == 1 else f"{plain}_{number}") not in self._stems
        )
        self._stems.add(stem)
        return stem
