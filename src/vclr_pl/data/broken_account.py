"""What could not be read so far, the same on every rank, and when it is too much."""

from __future__ import annotations

from collections.abc import Iterable

from vclr_pl.op.collective import gather_objects
from vclr_pl.types import BrokenVideo, BrokenVideosError, broken_remedy


class BrokenAccount:
    """Distinct broken videos of a manifest of `videos`."""

    def __init__(self, *, videos: int, max_broken_fraction: float) -> None:
        self._most = max(1.0, max_broken_fraction * videos)  # one broken video never ends a run, however few there are
        self._total, self._max_broken_fraction = videos, max_broken_fraction
        self._agreed: dict[str, BrokenVideo] = {}
        self._fresh: dict[str, BrokenVideo] = {}

    @property
    def videos(self) -> tuple[BrokenVideo, ...]:
        """Those known to this rank, in the order found."""
        return (*self._agreed.values(), *self._fresh.values())

    def observe(self, broken: Iterable[BrokenVideo]) -> None:
        for video in broken:
            if video.path not in self._agreed:
                self._fresh.setdefault(video.path, video)

    def agree(self) -> None:
        """Shares what is new with all ranks, which call it together. Raises BrokenVideosError on all of them past `max_broken_fraction`."""
        for found in gather_objects(tuple(self._fresh.values())):
            self._agreed.update((video.path, video) for video in found)
        self._fresh.clear()
        if len(self._agreed) > self._most:
            first = next(iter(self._agreed.values()))
            raise BrokenVideosError(
                expected=f"at most {self._max_broken_fraction:.0%} of {self._total} videos broken (loader.max_broken_fraction)",
                got=f"{len(self._agreed)} so far, the first is '{first.path}': {first.reason}",
                remedy=broken_remedy(self.videos, lasting="Replace them, or set loader.max_broken_fraction higher."),
                broken=self.videos,
            )
