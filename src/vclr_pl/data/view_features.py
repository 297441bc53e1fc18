"""Features of a few augmented views of each training video, computed once, for a linear layer on a frozen backbone.

Legend: N videos, V views of each, B videos of a batch, S segments, F features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from vclr_pl.op.collective import gather_objects
from vclr_pl.types import LabeledFeatures

View = tuple[int, int]  # the epoch whose random draws the view uses, and the video


def views_of(*, videos: int, views: int, rank: int, ranks: int) -> list[View]:
    """The views that this rank reads, those of one video one after another."""
    return [(view, video) for video in range(rank, videos, ranks) for view in range(views)]


class ViewFeatureDataset(Dataset[LabeledFeatures]):
    """By `(epoch, video)`, the features of view `epoch % V` of the video: a batch of one.

    View v has the random draws of epoch v. So a run of at most V epochs trains on the same views as a run that reads them anew.

    Args:
        read: batches of this rank, in the order of `keys`; the ranks exchange them (collective call).
        keys: `views_of` this rank.
        videos: N.
        views: V.
    """

    def __init__(self, *, read: Sequence[LabeledFeatures], keys: Sequence[View], videos: int, views: int) -> None:
        self.videos, self.views = videos, views
        of_ranks = gather_objects((list(keys), _tensors(read)))
        self._row = {key: row for row, key in enumerate(key for keys, _ in of_ranks for key in keys)}
        parts = [tensors for _, tensors in of_ranks if tensors]
        self.features, self.label, self.video_index = (torch.cat([tensors[place] for tensors in parts]) for place in range(3))

    @property
    def size_bytes(self) -> int:
        """Memory of the features."""
        return self.features.nbytes

    def __len__(self) -> int:
        return self.videos

    def __getitem__(self, key: tuple[int, int]) -> LabeledFeatures:
        epoch, video = key
        row = self._row[epoch % self.views, video]
        rows = slice(row, row + 1)
        return LabeledFeatures(features=self.features[rows], label=self.label[rows], video_index=self.video_index[rows])


def collate_view_features(samples: Sequence[LabeledFeatures]) -> LabeledFeatures:
    """One batch of several."""
    features, label, video_index = _tensors(samples)
    return LabeledFeatures(features=features, label=label, video_index=video_index)


def _tensors(batches: Sequence[LabeledFeatures]) -> tuple[Tensor, ...]:
    columns = zip(*((batch.features, batch.label, batch.video_index) for batch in batches), strict=True)
    return tuple(torch.cat(column) for column in columns)
