"""Videos to exclude from the search for near duplicates: other names of a file, and blank videos.

Legend: G rows of a collection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.datasets.video_scan import few, file_identity
from vclr_pl.features.encoder import FrozenEncoder
from vclr_pl.features.video_reading import ReadingOptions, VideoReading
from vclr_pl.stop import stop_if_requested
from vclr_pl.types import FeatureTable, InputError
from vclr_pl.video.protocol import VideoDecoder

logger = logging.getLogger(__name__)

BLANK = "every frame has a single color"


class FoundPairs(Protocol):
    """The part of `evaluation.Pairs` that is used here."""

    @property
    def near(self) -> Tensor:
        """bool `[G]`: true for rows in a pair."""


Pairs = TypeVar("Pairs", bound=FoundPairs)


@dataclass(frozen=True, kw_only=True)
class DistinctVideos:
    """
    Args:
        decoding: reads the videos of the pairs.
        loader: options of the loader.
        minimum_contrast: levels of 255. A video is blank if the standard deviation of the pixels is lower in every frame.

    Raises:
        InputError: a contrast below 0.
    """

    decoding: VideoDecoder
    loader: ReadingOptions
    minimum_contrast: float

    def __post_init__(self) -> None:
        if self.minimum_contrast < 0:
            raise InputError(
                expected="distinct.minimum_contrast of 0 or more",
                got=str(self.minimum_contrast),
                hint="Set distinct.minimum_contrast=2, or 0 to keep blank videos.",
            )

    def search(
        self, table: FeatureTable, *, manifest: Manifest, encoder: FrozenEncoder, find: Callable[[FeatureTable], Pairs]
    ) -> tuple[FeatureTable, Pairs, list[tuple[str, str]]]:
        """The table of distinct videos, the pairs in it, and `(path, reason)` of the videos left out.

        Args:
            manifest: the list that the table was read from.
            find: searches pairs in a table; it is called again without the blank videos.
        """
        left_out = same_files(table, manifest=manifest)
        table = without(table, list(left_out))
        duplicates = {table_path: f"the same file as {first}" for table_path, first in left_out.values()}
        if duplicates:
            logger.info("%d videos are other names of the same files and count once: %s", len(duplicates), few(list(duplicates)))
        pairs = find(table)
        blank = self._blank(table, pairs.near.nonzero().flatten().tolist(), manifest=manifest, encoder=encoder)
        if blank:
            paths = [table.path[row] for row in blank]
            logger.warning("%d videos are in no pair, since %s: %s", len(blank), BLANK, few(paths))
            duplicates |= dict.fromkeys(paths, BLANK)
            table = without(table, blank)
            pairs = find(table)
        return table, pairs, list(duplicates.items())

    def _blank(self, table: FeatureTable, rows: Sequence[int], *, manifest: Manifest, encoder: FrozenEncoder) -> list[int]:
        """The rows whose videos are blank."""
        reading = VideoReading(manifest=manifest, encoder=encoder, decoding=self.decoding, options=self.loader)
        row_of = {int(table.video_index[row]): row for row in rows}
        blank = []
        batches: Any = reading.batches(list(row_of), rank=0, ranks=1, pin_memory=False) if rows else ()
        for batch in batches:
            stop_if_requested()
            for index, frames, valid in zip(batch.video_index.tolist(), batch.frames, batch.valid, strict=True):
                shown = frames[valid]
                if len(shown) and contrast(shown) < self.minimum_contrast:
                    blank.append(row_of[index])
        return sorted(blank)


def contrast(frames: Tensor) -> float:
    """Largest standard deviation of the pixels of a channel of a frame, in levels; frames or clips are uint8 `[..., H, W]`."""
    planes = frames.flatten(-2).flatten(0, -2)
    return max(float(part.float().std(dim=-1, correction=0).max()) for part in planes.split(64))


def same_files(table: FeatureTable, *, manifest: Manifest) -> dict[int, tuple[str, str]]:
    """By row: the path, and the other path of the same file in an earlier row. Different parts of a file are different videos."""
    first: dict[object, int] = {}
    found = {}
    for row, path in enumerate(table.path):
        identity = file_identity(path)
        key = (path if identity is None else identity, manifest.span(int(table.video_index[row])))
        earlier = first.setdefault(key, row)
        if earlier != row:
            found[row] = (path, table.path[earlier])
    return found


def without(table: FeatureTable, rows: Sequence[int]) -> FeatureTable:
    """The table without these rows."""
    if not rows:
        return table
    left = torch.ones(len(table), dtype=torch.bool)
    left[list(rows)] = False
    kept = left.nonzero().flatten()
    return replace(
        table,
        features=table.features[kept],
        label=table.label[kept],
        video_index=table.video_index[kept],
        path=tuple(table.path[row] for row in kept.tolist()),
    )
