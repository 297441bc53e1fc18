"""Videos that cannot be read: counted over all processes, with a warning for causes that may be temporary."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch.utils.data import DataLoader

from vclr_pl.data.fetch_ahead import FetchAhead
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.op.collective import gather_objects
from vclr_pl.types import SLOW, BrokenVideo, BrokenVideosError, broken_hint


class BrokenVideoTracker:
    """Distinct broken videos among `videos` in total."""

    def __init__(self, *, videos: int, max_broken_fraction: float) -> None:
        self._most = max(1.0, max_broken_fraction * videos)  # a single broken video never ends a run, even of a small data set
        self._total, self._max_broken_fraction = videos, max_broken_fraction
        self._agreed: dict[str, BrokenVideo] = {}
        self._fresh: dict[str, BrokenVideo] = {}

    @property
    def videos(self) -> tuple[BrokenVideo, ...]:
        """Broken videos known to this rank, in the order of detection."""
        return (*self._agreed.values(), *self._fresh.values())

    def observe(self, broken: Iterable[BrokenVideo]) -> None:
        for video in broken:
            if video.path not in self._agreed:
                self._fresh.setdefault(video.path, video)

    def state_dict(self) -> dict[str, Any]:
        """The broken videos of all ranks (collective call)."""
        self._share()
        return {"broken": [dataclasses.asdict(video) for video in self._agreed.values()]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        videos = [BrokenVideo(**fields) for fields in state_dict["broken"]]
        self._agreed.update((video.path, video) for video in videos)

    def _share(self) -> None:
        for videos in gather_objects(tuple(self._fresh.values())):
            self._agreed.update((video.path, video) for video in videos)
        self._fresh.clear()

    def agree(self) -> None:
        """Share new broken videos among ranks (collective call). Raises BrokenVideosError on all ranks above `max_broken_fraction`."""
        self._share()
        if len(self._agreed) > self._most:
            first = next(iter(self._agreed.values()))
            raise BrokenVideosError(
                expected=f"at most {self._max_broken_fraction:.0%} of {self._total} videos broken (loader.max_broken_fraction)",
                got=f"{len(self._agreed)} so far, the first is '{first.path}': {first.reason}",
                hint=broken_hint(self.videos, lasting="Replace them, or set loader.max_broken_fraction higher."),
                broken=self.videos,
            )


logger = logging.getLogger(__name__)

A_FEW = 3


class UnreadWatch:
    """Counts videos that failed for a temporary reason; warns when there are more than a few, then at each doubling."""

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
                        "%d videos skipped so far for possibly temporary reasons; the last is %s: %s. %s",
                        len(self._seen),
                        video.path,
                        video.reason,
                        SLOW,
                    )


class WatchedLoader(DataLoader[Any]):
    """A DataLoader whose batches list their `broken` videos. Those of a dataset with a `manifest` on a server are fetched ahead."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        watch = UnreadWatch()
        manifest: Manifest | None = getattr(self.dataset, "manifest", None)
        remote = None if manifest is None else manifest.remote
        paths = () if manifest is None or remote is None else map(manifest.path, self.sampler)
        with FetchAhead(remote=remote, paths=paths) as ahead:
            for batch in super().__iter__():
                watch.observe(batch.broken)
                yield batch
                if remote is not None:
                    ahead.passed(len(batch.video_index))
