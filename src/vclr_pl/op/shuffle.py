"""Shuffle-BN (MoCo, He et al. 2020, section 3.3): each key is encoded among other videos than its query.

The videos of all ranks are permuted, each group of videos that share batch-norm statistics encodes its part, and the features return. A
group is a rank's batch, or a part of it: a device with a batch of 256 in groups of 32 does what eight devices with 32 do.

Legend: W ranks, B videos a rank, G groups a rank, n views of a video in a pass, F features. Videos are numbered group by group, and the
groups of all ranks are numbered 0 to W G - 1: rank r of W holds every W-th video of the global batch, so group g of rank r is number
g W + r and holds its videos g, g + G, g + 2 G and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from vclr_pl.op.collective import rank, world_size

Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Shuffle:
    """Where each video is encoded: place p of all groups takes video `permutation[p]`, in the numbers above.

    Args:
        permutation: `[W B]` long in main memory, equal on all ranks.
        groups: G.
    """

    permutation: Tensor
    groups: int

    @torch.no_grad()
    def share(self, rows: Tensor) -> Tensor:
        """This rank's rows `[B, ...]`, of any type, to those that it encodes `[B, ...]`, group by group."""
        plan = self._plan
        if world_size() == 1:
            return rows[_on(plan.source, rows)]
        return self._exchanged(rows[_on(plan.sent, rows)], received=plan.received_from, sent=plan.sent_to)[_on(plan.place, rows)]

    @torch.no_grad()
    def back(self, features: Tensor) -> Tensor:
        """Features `[B, ...]` of what was encoded here, group by group, to those of this rank's own rows."""
        plan = self._plan
        if world_size() == 1:
            return features[_on(torch.argsort(plan.source), features)]
        in_order_received = features[_on(torch.argsort(plan.place), features)]
        returned = self._exchanged(in_order_received, received=plan.sent_to, sent=plan.received_from)
        return returned[_on(torch.argsort(plan.sent), features)]

    @cached_property
    def _plan(self) -> _Plan:
        ranks, own = world_size(), rank()
        videos = len(self.permutation) // (ranks * self.groups)  # of a group
        place_of_group, source_group = torch.arange(len(self.permutation)) // videos, self.permutation // videos
        destination, source_rank = place_of_group % ranks, source_group % ranks
        source = (self.permutation % videos) * self.groups + source_group // ranks  # the row on its rank
        sent = [source[(destination == other) & (source_rank == own)] for other in range(ranks)]
        from_rank = source_rank[destination == own]
        return _Plan(
            source=source,
            sent=torch.cat(sent),
            sent_to=[len(rows) for rows in sent],
            received_from=torch.bincount(from_rank, minlength=ranks).tolist(),
            place=torch.argsort(torch.argsort(from_rank, stable=True)),
        )

    @staticmethod
    def _exchanged(rows: Tensor, *, received: list[int], sent: list[int]) -> Tensor:
        result = rows.new_empty(sum(received), *rows.shape[1:])
        dist.all_to_all_single(result.flatten(1), rows.flatten(1), output_split_sizes=received, input_split_sizes=sent)
        return result


@dataclass(frozen=True)
class _Plan:
    """In main memory, so that nothing waits for the device: rows by their number on a rank, counts by rank."""

    source: Tensor  # [W B]: the row of each place, on its rank
    sent: Tensor  # rows that this rank sends, by destination
    sent_to: list[int]
    received_from: list[int]
    place: Tensor  # [B]: where each row that is encoded here is among those received, which are ordered by source


def permutation_of(*, size: int, draw: int, seed: int) -> Tensor:
    """The `draw`-th permutation of `size` rows in the stream of `seed`: equal on all ranks without communication."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1_000_003 + draw))


def encoded_by_group(encode: Encode, rows: Tensor, *, groups: int) -> Tensor:
    """`[B, n, *view]`, group by group, to `[B, n, F]`: each group in a pass of its own."""
    pooled = [encode(part.flatten(0, 1)).unflatten(0, part.shape[:2]) for part in rows.chunk(groups)]
    return torch.cat(pooled) if groups > 1 else pooled[0]


def in_groups(encode: Encode, *, videos: int, groups: int) -> Encode:
    """`encode` of the rows of `videos` videos, `[videos n, *view]` to `[videos n, F]`, with each group in a pass of its own."""
    if groups == 1:
        return encode
    by_group = torch.arange(videos).view(-1, groups).T.flatten()

    def grouped(rows: Tensor) -> Tensor:
        of_videos = rows.unflatten(0, (videos, -1))
        pooled = encoded_by_group(encode, of_videos[_on(by_group, rows)], groups=groups)
        return pooled[_on(torch.argsort(by_group), rows)].flatten(0, 1)

    return grouped


def _on(index: Tensor, rows: Any) -> Tensor:
    return index.to(rows.device, non_blocking=True)
