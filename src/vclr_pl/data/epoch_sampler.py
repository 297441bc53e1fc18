"""Which videos a rank reads, in which order: disjoint shares, equal counts, and a place inside the epoch to return to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data.distributed import DistributedSampler

from vclr_pl.types import InputError


class EpochSampler(DistributedSampler[tuple[int, int]]):
    """Yields `(epoch, video index)`.

    The order of an epoch is one permutation drawn from (seed, epoch); rank r of W takes every W-th, from r on. So the b-th batches
    of all ranks together are the b-th batch of one process that reads W times as many; the incomplete last one is dropped.
    A DistributedSampler, so that Lightning tells it the epoch and puts no other in its place.

    Raises InputError where not even one global batch can be filled.
    """

    def __init__(self, *, videos: int, batch_size: int, rank: int, ranks: int, seed: int) -> None:
        super().__init__(range(videos), num_replicas=ranks, rank=rank, shuffle=True, seed=seed, drop_last=True)  # type: ignore[arg-type]
        self.batch_size = batch_size
        self.batches = videos // (ranks * batch_size)
        if not self.batches:
            asked = f"{batch_size}" if ranks == 1 else f"{ranks} processes x {batch_size}"
            raise InputError(
                expected=f"a batch no larger than the data, {videos} videos",
                got=f"{asked} = {ranks * batch_size} videos a step" if ranks > 1 else f"loader.batch_size={asked}",
                remedy=f"Set loader.batch_size={max(1, videos // ranks)} or less.",
            )
        self.num_samples, self.total_size = self.batches * batch_size, self.batches * batch_size * ranks
        self.first_batch = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        order = np.random.default_rng(np.random.SeedSequence((self.seed, epoch))).permutation(len(self.dataset))  # type: ignore[arg-type]
        share = order[self.rank : self.total_size : self.num_replicas]
        yield from ((epoch, int(index)) for index in share[self.first_batch * self.batch_size :])
