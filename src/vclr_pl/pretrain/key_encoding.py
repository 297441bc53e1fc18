"""The pass of the keys through the momentum encoder: on which rank and among which videos each key view is encoded.

On several ranks the views travel as the worker made them, uint8 with the parameters of their color augmentation: a quarter of the bytes of
floats, and each view to one rank only.
"""

from __future__ import annotations

from vclr_pl.op.collective import world_size
from vclr_pl.op.shuffle import Encode, Shuffle, encoded_by_group, permutation_of
from vclr_pl.pretrain.view_encoding import PooledKeys, ViewEncoding, groups_of
from vclr_pl.types import KeyViews, SegmentViews

SHUFFLES_PER_BATCH = 16  # more than the passes of any encoding; part of the published sequence of shuffles


class KeyEncoding:
    """Encodes the keys of a batch, shuffled over ranks and groups where batch norms read the other videos.

    Args:
        encoding: says which views a pass has.
        seed: of the shuffles, equal on all ranks.
        uses_batch_statistics: False shuffles nothing: a key does not depend on the other videos of its batch then.
    """

    def __init__(self, encoding: ViewEncoding, *, seed: int, uses_batch_statistics: bool) -> None:
        self.encoding, self.seed, self.uses_batch_statistics = encoding, seed, uses_batch_statistics

    def shuffles(self, *, videos: int, passes: int, number: int) -> list[Shuffle] | None:
        """The shuffles of batch `number` of the run, one a pass: equal on all ranks and after a resume. None where nothing moves.

        Args:
            videos: B of this rank.
        """
        groups = groups_of(self.encoding, batch_size=videos)
        if not self.uses_batch_statistics or world_size() * groups == 1:
            return None
        first = number * SHUFFLES_PER_BATCH
        permutations = [permutation_of(size=videos * world_size(), draw=draw, seed=self.seed) for draw in range(first, first + passes)]
        return [Shuffle(permutation=permutation, groups=groups) for permutation in permutations]

    def received(self, batch: SegmentViews, *, number: int) -> tuple[KeyViews, ...]:
        """The key views of each pass that this rank encodes, of the videos of all ranks; none where each rank encodes its own."""
        views = self.encoding.key_views(batch.views, batch)
        shuffles = self.shuffles(videos=len(batch), passes=len(views), number=number)
        if shuffles is None or world_size() == 1:
            return ()
        parameters = self.encoding.key_views(batch.color_parameters, batch)
        return tuple(
            KeyViews(views=shuffle.share(view), color_parameters=shuffle.share(parameter))
            for shuffle, view, parameter in zip(shuffles, views, parameters, strict=True)
        )

    def keys(self, encode: Encode, batch: SegmentViews, *, number: int) -> PooledKeys:
        """Pooled features of the key views of this rank's videos."""
        groups = groups_of(self.encoding, batch_size=len(batch))
        own = [] if batch.received else self.encoding.key_views(batch.views, batch)
        shuffles = self.shuffles(videos=len(batch), passes=len(batch.received) or len(own), number=number)
        if shuffles is None:
            pooled = [encoded_by_group(encode, view, groups=1) for view in own]
        else:
            views = [key.views for key in batch.received] or [shuffle.share(view) for shuffle, view in zip(shuffles, own, strict=True)]
            pooled = [shuffle.back(encoded_by_group(encode, view, groups=groups)) for shuffle, view in zip(shuffles, views, strict=True)]
        return self.encoding.keys(pooled, batch)
