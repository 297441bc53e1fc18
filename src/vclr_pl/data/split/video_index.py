"""Video files by the names that a list gives them, without folders and suffixes."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from vclr_pl.data.split.video_scan import few, file_identity, scan_videos
from vclr_pl.types import InputError

log = logging.getLogger(__name__)


class VideoIndex:
    """The video files below `folder`, which the option `key` names."""

    def __init__(self, folder: Path, *, key: str = "data.root") -> None:
        self.folder, self._key = folder, key
        self._paths: dict[str, list[str]] = defaultdict(list)
        for path in scan_videos(folder):
            self._paths[Path(path).stem].append(path)
        self._used = set[str]()
        self._clashes: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._paths)

    def find(self, *stems: str, parent: str | None = None) -> str | None:
        """The file, relative to `folder`, that has one of these names; None where there is none.

        Of different files those in a folder `parent` count first. If there are several still, `tell` refuses them.
        """
        paths = [path for stem in stems for path in self._paths.get(stem, ())]
        self._used.update(paths)
        paths = [path for path in paths if Path(path).parent.name == parent] or paths
        distinct = {file_identity(os.path.join(self.folder, path)): path for path in reversed(paths)}  # noqa: PTH118
        if len(distinct) > 1:
            self._clashes[stems[0]] = sorted(distinct.values())
        return paths[0] if paths else None

    def refuse_clashes(self) -> None:
        """Raises InputError where `find` met different files of one name."""
        if self._clashes:
            name, paths = next(iter(self._clashes.items()))
            raise InputError(
                expected=f"one file for each video below '{self.folder}'",
                got=f"{len(self._clashes)} with several, for instance '{name}': {few(paths)}",
                remedy=f"Remove or rename all but one, or set {self._key}=DIR to a folder that holds one.",
            )

    def tell_unlisted(self, source: str, *, known: Sequence[str] = ()) -> None:
        """Count and name the files that nobody asked for in the log; those of the names `known` are in the list, and not wanted."""
        left = sorted(path for stem in self._paths.keys() - set(known) for path in self._paths[stem] if path not in self._used)
        if left:
            log.warning("%s does not name %d of the videos below %s, which are left out: %s", source, len(left), self.folder, few(left))
