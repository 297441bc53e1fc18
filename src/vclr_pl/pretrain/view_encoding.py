"""From views to pooled features, of queries and keys: each view in a pass of its own, or each image once.

Legend: B videos, S segments, F backbone features, W ranks.

The published step encodes the anchor twice with the query encoder (alone, and within its tuple: same frame, same augmentation)
and each key view in a pass of its own. `SharedEncoding` encodes each distinct image once, keys and queries in one pass each: 2 S key
frames a video as before, and S query frames in place of S + 1. The loss is the same function of the features. Batch norm computes
its statistics from another batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vclr_pl.op.contrast import segment_consensus
from vclr_pl.op.shuffle import Encode
from vclr_pl.types import InputError, SegmentViews, TermNeeds


@dataclass(frozen=True)
class PooledQueries:
    """`anchor` [B, F] and `tuple` [B, S, F] in the order shown."""

    anchor: Tensor
    tuple: Tensor


@dataclass(frozen=True)
class PooledKeys:
    """`frames` [S, B, F], the anchor's second view first, then the other query frames; `tuple` [B, S, F] in the order shown."""

    frames: Tensor
    tuple: Tensor


class ViewEncoding(Protocol):
    """A way to encode one batch, in passes."""

    batch_norm_videos: int | None  # videos of a device that share batch-norm statistics; None for all

    def queries(self, encode: Encode, batch: SegmentViews) -> PooledQueries: ...

    def key_views(self, rows: Tensor, batch: SegmentViews) -> list[Tensor]:
        """Of the views' rows `[B, V, ...]` (pictures, or their parameters) those of each pass, `[B, n, ...]`."""
        ...

    def keys(self, pooled: list[Tensor], batch: SegmentViews) -> PooledKeys:
        """The keys from the pooled features `[B, n, F]` of each pass."""
        ...


class SeparateEncoding:
    """Exactly the passes of the release: anchor, query tuple; second view, each other frame, key tuple.

    Args:
        batch_norm_videos: videos of a device that share batch-norm statistics. None for the whole batch.
    """

    def __init__(self, *, batch_norm_videos: int | None = None) -> None:
        self.batch_norm_videos = batch_norm_videos

    def queries(self, encode: Encode, batch: SegmentViews) -> PooledQueries:
        anchor_BF = encode(_pick(batch.query_frames, batch.anchor_segment))
        shown = _reorder(batch.query_frames, batch.query_order)
        return PooledQueries(anchor=anchor_BF, tuple=encode(shown.flatten(0, 1)).unflatten(0, shown.shape[:2]))

    def key_views(self, rows: Tensor, batch: SegmentViews) -> list[Tensor]:
        frames, other_frames, second_view = _parted(rows, batch)
        others = [other.unsqueeze(1) for other in _reorder(frames, other_segments(batch)).unbind(1)]
        return [second_view, *others, _reorder(other_frames, batch.key_order)]

    def keys(self, pooled: list[Tensor], batch: SegmentViews) -> PooledKeys:
        del batch  # the views were in the order shown already
        *frames, tuple_BSF = pooled
        return PooledKeys(frames=torch.stack([frame.squeeze(1) for frame in frames]), tuple=tuple_BSF)


class SharedEncoding:
    """Each distinct image once: one query pass over S B frames, one key pass over 2 S B views, shuffled across ranks once.

    Args:
        batch_norm_videos: videos of a device that share batch-norm statistics. None for the whole batch.
    """

    def __init__(self, *, batch_norm_videos: int | None = None) -> None:
        self.batch_norm_videos = batch_norm_videos

    def queries(self, encode: Encode, batch: SegmentViews) -> PooledQueries:
        frames = batch.query_frames
        pooled_BSF = encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        return PooledQueries(anchor=_pick(pooled_BSF, batch.anchor_segment), tuple=_reorder(pooled_BSF, batch.query_order))

    def key_views(self, rows: Tensor, batch: SegmentViews) -> list[Tensor]:
        frames, other_frames, second_view = _parted(rows, batch)
        return [torch.cat([second_view, _reorder(frames, other_segments(batch)), other_frames], dim=1)]

    def keys(self, pooled: list[Tensor], batch: SegmentViews) -> PooledKeys:
        frames_BSF, in_time_BSF = pooled[0].split(batch.segments, dim=1)
        return PooledKeys(frames=frames_BSF.transpose(0, 1).contiguous(), tuple=_reorder(in_time_BSF, batch.key_order))


def groups_of(encoding: ViewEncoding, *, batch_size: int) -> int:
    """Groups of a device's batch that share batch-norm statistics.

    Raises:
        InputError: `batch_norm_videos` does not divide the batch.
    """
    videos = encoding.batch_norm_videos or batch_size
    if batch_size % videos:
        raise InputError(
            expected=f"loader.batch_size={batch_size} to be a multiple of encoding.batch_norm_videos",
            got=str(videos),
            hint=f"Set loader.batch_size={max(1, batch_size // videos) * videos}, or encoding.batch_norm_videos=null.",
        )
    return batch_size // videos


def head_input(needs: TermNeeds, *, frames: Tensor, in_tuple: Tensor) -> Tensor:
    """What the head of a term projects, of one frame and the tuple."""
    if needs.head_input == "frames":
        return frames
    return segment_consensus(in_tuple) if needs.head_input == "tuple_mean" else in_tuple


def stacked_keys(needs: TermNeeds, keys: Tensor) -> Tensor:
    """A head's keys as `[V, B, D]`, V of each video."""
    if needs.head_input == "frames":
        return keys
    return keys.unsqueeze(0) if needs.head_input == "tuple_mean" else keys.transpose(0, 1)


def _parted(rows: Tensor, batch: SegmentViews) -> tuple[Tensor, Tensor, Tensor]:
    """Of `[B, V, ...]` the query frames `[B, S, ...]`, the key frames `[B, S, ...]` and the anchor's second view `[B, 1, ...]`."""
    query, key, second = rows.split([batch.segments, batch.segments, 1], dim=1)
    return query, key, second


def other_segments(batch: SegmentViews) -> Tensor:
    """`[B, S - 1]`: the segments that are not the anchor's, in temporal order."""
    places = torch.arange(batch.segments - 1, device=batch.anchor_segment.device)
    return places + (places >= batch.anchor_segment.unsqueeze(1)).long()


def _pick(rows_BS: Tensor, index_B: Tensor) -> Tensor:
    return rows_BS[torch.arange(len(index_B), device=index_B.device), index_B]


def _reorder(rows_BS: Tensor, order_BS: Tensor) -> Tensor:
    return rows_BS[torch.arange(len(order_BS), device=order_BS.device).unsqueeze(1), order_BS]
