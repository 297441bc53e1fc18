"""From views to pooled features, of queries and keys: each view in a pass of its own, or each image once.

Legend: B videos, S segments, F backbone features, W ranks.

The published step encodes the anchor twice with the query encoder (alone, and within its tuple: same frame, same augmentation)
and each key view in a pass of its own. `SharedEncoding` encodes each distinct image once, keys and queries in one pass each: 2 S key
frames a video as before, and S query frames in place of S + 1. The loss is the same function of the features. Batch norm computes
its statistics from another batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vclr_pl.op.collective import shuffled_share, unshuffled_share
from vclr_pl.types import SegmentViews

Encode = Callable[[Tensor], Tensor]
DrawPermutation = Callable[[int], Tensor] | None


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
    """A way to encode one batch.

    `draw_permutation(n)` gives the shuffle of the rows of all ranks, n of each; it is equal on all ranks. None shuffles nothing.
    """

    def queries(self, encode: Encode, batch: SegmentViews) -> PooledQueries: ...

    def keys(self, encode: Encode, batch: SegmentViews, draw_permutation: DrawPermutation) -> PooledKeys: ...


class SeparateEncoding:
    """Exactly the passes of the release: anchor, query tuple; second view, each other frame, key tuple."""

    def queries(self, encode: Encode, batch: SegmentViews) -> PooledQueries:
        anchor_BF = encode(_pick(batch.query_frames, batch.anchor_segment))
        shown = _reorder(batch.query_frames, batch.query_order)
        return PooledQueries(anchor=anchor_BF, tuple=encode(shown.flatten(0, 1)).unflatten(0, shown.shape[:2]))

    def keys(self, encode: Encode, batch: SegmentViews, draw_permutation: DrawPermutation) -> PooledKeys:
        others = _reorder(batch.query_frames, other_segments(batch))
        frame_views = [batch.anchor_second_view, *others.unbind(1)]
        frames_SBF = torch.stack([_encode_shuffled(encode, view.unsqueeze(1), draw_permutation).squeeze(1) for view in frame_views])
        tuple_BSF = _encode_shuffled(encode, _reorder(batch.key_frames, batch.key_order), draw_permutation)
        return PooledKeys(frames=frames_SBF, tuple=tuple_BSF)


class SharedEncoding:
    """Each distinct image once: one query pass over S B frames, one key pass over 2 S B views, shuffled across ranks once."""

    def queries(self, encode: Encode, batch: SegmentViews) -> PooledQueries:
        frames = batch.query_frames
        pooled_BSF = encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        return PooledQueries(anchor=_pick(pooled_BSF, batch.anchor_segment), tuple=_reorder(pooled_BSF, batch.query_order))

    def keys(self, encode: Encode, batch: SegmentViews, draw_permutation: DrawPermutation) -> PooledKeys:
        others = _reorder(batch.query_frames, other_segments(batch))
        views = torch.cat([batch.anchor_second_view.unsqueeze(1), others, batch.key_frames], dim=1)
        pooled = _encode_shuffled(encode, views, draw_permutation)
        frames_BSF, in_time_BSF = pooled.split(batch.segments, dim=1)
        return PooledKeys(frames=frames_BSF.transpose(0, 1), tuple=_reorder(in_time_BSF, batch.key_order))


def other_segments(batch: SegmentViews) -> Tensor:
    """`[B, S - 1]`: the segments that are not the anchor's, in temporal order."""
    places = torch.arange(batch.segments - 1, device=batch.anchor_segment.device)
    return places + (places >= batch.anchor_segment.unsqueeze(1)).long()


def _encode_shuffled(encode: Encode, views: Tensor, draw_permutation: DrawPermutation) -> Tensor:
    """`[B, n, *view]` to `[B, n, F]`, each video's views on a random rank (shuffle-BN), or on their own."""
    if draw_permutation is None:
        own_BnF: Tensor = encode(views.flatten(0, 1)).unflatten(0, views.shape[:2])
        return own_BnF
    from_rank = shuffled_share(views, permutation=(permutation := draw_permutation(len(views))))
    pooled_BnF = encode(from_rank.flatten(0, 1)).unflatten(0, views.shape[:2])
    return unshuffled_share(pooled_BnF, permutation=permutation)


def _pick(rows_BS: Tensor, index_B: Tensor) -> Tensor:
    return rows_BS[torch.arange(len(index_B), device=index_B.device), index_B]


def _reorder(rows_BS: Tensor, order_BS: Tensor) -> Tensor:
    return rows_BS[torch.arange(len(order_BS), device=order_BS.device).unsqueeze(1), order_BS]
