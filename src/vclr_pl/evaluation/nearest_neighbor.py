"""Weighted k-nearest-neighbor classification.

Legend: Q queries, K neighbors, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vclr_pl.evaluation.accuracy import percent_correct, query_labels, within_top
from vclr_pl.evaluation.neighbor_search import NeighborSearch, nearest_neighbors
from vclr_pl.evaluation.query_scores import QueryScores
from vclr_pl.types import FeatureTable, InputError


class NearestNeighbor:
    """The k nearest by cosine vote for their class with weight exp(cosine / temperature) (Wu et al. 2018, section 3.4).

    Of classes with equal votes the one with the lower number wins.

    Args:
        neighbors: k; where it exceeds the gallery, the whole gallery votes.
        temperature: of the weights.
        search: finds the neighbors; None for the exact search.

    Raises:
        InputError: a figure out of range.
    """

    def __init__(self, *, neighbors: int, temperature: float, search: NeighborSearch | None = None) -> None:
        self.neighbors, self.temperature, self.search = neighbors, temperature, search or nearest_neighbors
        if neighbors < 1 or temperature <= 0:
            raise InputError(
                expected="neighbors of 1 or more and a temperature above 0",
                got=f"neighbors={neighbors}, temperature={temperature}",
                remedy="Set for instance neighbors=20 temperature=0.07.",
            )

    def __call__(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
        """`knn_top1` in percent; without queries each gallery video is classified by the others.

        Raises:
            InputError: an empty or unlabeled table.
        """
        label_Q = query_labels(gallery=gallery, query=query)
        return {"knn_top1": percent_correct(self.predict(gallery=gallery, query=query) == label_Q)}

    def predict(self, *, gallery: FeatureTable, query: FeatureTable | None) -> Tensor:
        """`[Q]` the class with the most votes."""
        return self._votes(gallery, query).argmax(dim=1)

    def scores(self, *, gallery: FeatureTable, query: FeatureTable | None) -> QueryScores:
        """`knn_top1`, `knn_top5`, and `knn_mean_class`, the mean over classes of their share of right answers.

        Raises:
            InputError: an empty or unlabeled table.
        """
        label_Q = query_labels(gallery=gallery, query=query)
        votes_QC = self._votes(gallery, query)
        right = {f"knn_top{top}": within_top(scores_QC=votes_QC, label_Q=label_Q, classes=top).double() for top in (1, 5)}
        return QueryScores(label=label_Q, values=right, predicted=votes_QC.argmax(dim=1), class_mean="knn_mean_class", of_class="knn_top1")

    def _votes(self, gallery: FeatureTable, query: FeatureTable | None) -> Tensor:
        """`[Q, C]`; a class that no neighbor is of has no vote."""
        found = self.search(gallery_GF=gallery.features, query_QF=None if query is None else query.features, neighbors=self.neighbors)
        # relative to the nearest: the same winner, and no overflow at a low temperature
        weight_QK = ((found.similarity - found.similarity[:, :1]) / self.temperature).exp()
        votes_QC = torch.zeros(len(weight_QK), int(gallery.label.max()) + 1, dtype=torch.float64)
        return votes_QC.scatter_add_(1, gallery.label[found.index], weight_QK)
