"""A word while videos are left out that may well be readable: a slow disk or a crowded machine looks like broken files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import DataLoader

from vclr_pl.types import SLOW, BrokenVideo

logger = logging.getLogger(__name__)

A_FEW = 3


class UnreadWatch:
    """Counts videos whose cause may pass, and warns when there are more than a few, then at each doubling."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._told_from = A_FEW + 1

    def observe(self, broken: Iterable[BrokenVideo]) -> None:
        for video in broken:
            if video.is_temporary and video.path not in self._seen:
                self._seen.add(video.path)
                if len(self._seen) >= self._told_from:
                    self._told_from *= 2
                    logger.warning(
                        "%d videos skipped so far for causes that may be temporary, the last is %s: %s. %s",
                        len(self._seen),
                        video.path,
                        video.reason,
                        SLOW,
                    )


class WatchedLoader(DataLoader[Any]):
    """A DataLoader whose batches tell `broken` videos."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        watch = UnreadWatch()
        for batch in super().__iter__():
            watch.observe(batch.broken)
            yield batch
