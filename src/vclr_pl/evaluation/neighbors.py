"""Measures on nearest neighbors: retrieval and kNN.

Legend: G gallery rows, Q query rows, q queries of a block, Q queries, K neighbors, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vclr_pl.evaluation.accuracy import QueryScores, percent_correct, query_labels, within_top
from vclr_pl.evaluation.neighbor_search import EXCLUDED, NeighborSearch, cosine_keys, nearest_neighbors
from vclr_pl.types import FeatureTable, InputError

KEYS_PER_BLOCK = 8_000_000  # 64 MB


def average_precision(*, gallery: FeatureTable, query: FeatureTable | None) -> Tensor:
    """`[Q]` float64: for each query the mean, over the gallery videos of its class, of the precision at their rank.

    The whole gallery is ranked, equal similarities in gallery order; without queries each gallery video ranks the others. A query
    whose class is not in the gallery has 0.
    """
    queries = gallery if query is None else query
    queries_per_block = max(1, KEYS_PER_BLOCK // max(1, len(gallery)))
    parts = []
    for start in range(0, len(queries), queries_per_block):
        end = min(start + queries_per_block, len(queries))
        own_q = torch.arange(start, end) if query is None else None
        key_qG = cosine_keys(gallery_GF=gallery.features, query_qF=queries.features[start:end], own_q=own_q)
        right_qG = gallery.label == queries.label[start:end, None]
        if own_q is not None:
            right_qG &= key_qG != EXCLUDED
        parts.append(_of_block(key_qG, right_qG))
    return torch.cat(parts)


def _of_block(key_qG: Tensor, right_qG: Tensor) -> Tensor:
    ranked_qG = right_qG.gather(1, key_qG.argsort(dim=1, descending=True)).double()
    rank_G = torch.arange(1, key_qG.shape[1] + 1, dtype=torch.float64)
    precision_qG = ranked_qG.cumsum(dim=1) / rank_G
    return (precision_qG * ranked_qG).sum(dim=1) / ranked_qG.sum(dim=1).clamp(min=1)


class Retrieval:
    """R@k: the share of queries with a video of their class among the k nearest by cosine (VCLR, section 4.3; exact).

    Features are the unnormalized averages of a video's frames. Equally near videos are in gallery order.

    Args:
        ranks: values of k; if k exceeds the gallery, the whole gallery counts.
        search: finds the neighbors; None for the exact search.

    Raises:
        InputError: no ranks, or a rank below 1.
    """

    def __init__(self, *, ranks: Sequence[int], search: NeighborSearch | None = None) -> None:
        self.ranks, self.search = tuple(ranks), search or nearest_neighbors
        if not self.ranks or min(self.ranks) < 1:
            raise InputError(expected="ranks of 1 or more", got=str(list(ranks)), hint="Set for instance ranks=[1,5,10].")

    def __call__(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
        """`retrieval_r1`, ... in percent, by rank; without queries each gallery video is a query against the others.

        Raises:
            InputError: an empty or unlabeled table.
        """
        right_QK = self._right_class(gallery, query, max(self.ranks))
        return {f"retrieval_r{rank}": percent_correct(right_QK[:, :rank].any(dim=1)) for rank in self.ranks}

    def scores(self, *, gallery: FeatureTable, query: FeatureTable | None) -> QueryScores:
        """R@k as above, and `retrieval_map`, the mean average precision over the whole gallery, always by the exact search.

        Raises:
            InputError: an empty or unlabeled table.
        """
        label_Q = query_labels(gallery=gallery, query=query)
        right_QK = self._right_class(gallery, query, max(self.ranks))
        values = {f"retrieval_r{rank}": right_QK[:, :rank].any(dim=1).double() for rank in self.ranks}
        values["retrieval_map"] = average_precision(gallery=gallery, query=query)
        return QueryScores(label=label_Q, values=values, of_class=f"retrieval_r{min(self.ranks)}")

    def _right_class(self, gallery: FeatureTable, query: FeatureTable | None, neighbors: int) -> Tensor:
        """`[Q, K]` bool: the neighbor has the query's class."""
        label_Q = query_labels(gallery=gallery, query=query)
        nearest = self.search(gallery_GF=gallery.features, query_QF=None if query is None else query.features, neighbors=neighbors)
        return gallery.label[nearest.index] == label_Q[:, None]


class NearestNeighbor:
    """The k nearest by cosine vote for their class with weight exp(cosine / temperature) (Wu et al. 2018, section 3.4).

    Of classes with equal votes the one with the lower number wins.

    Args:
        neighbors: k; if it exceeds the gallery, the whole gallery votes.
        temperature: temperature of the weights.
        search: finds the neighbors; None for the exact search.

    Raises:
        InputError: a value out of range.
    """

    def __init__(self, *, neighbors: int, temperature: float, search: NeighborSearch | None = None) -> None:
        self.neighbors, self.temperature, self.search = neighbors, temperature, search or nearest_neighbors
        if neighbors < 1 or temperature <= 0:
            raise InputError(
                expected="neighbors of 1 or more and a temperature above 0",
                got=f"neighbors={neighbors}, temperature={temperature}",
                hint="Set for instance neighbors=20 temperature=0.07.",
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
        """`knn_top1`, `knn_top5`, and `knn_mean_class`, the mean over classes of the accuracy within a class.

        Raises:
            InputError: an empty or unlabeled table.
        """
        label_Q = query_labels(gallery=gallery, query=query)
        votes_QC = self._votes(gallery, query)
        right = {f"knn_top{top}": within_top(scores_QC=votes_QC, label_Q=label_Q, classes=top).double() for top in (1, 5)}
        return QueryScores(label=label_Q, values=right, predicted=votes_QC.argmax(dim=1), class_mean="knn_mean_class", of_class="knn_top1")

    def _votes(self, gallery: FeatureTable, query: FeatureTable | None) -> Tensor:
        """Votes `[Q, C]`; 0 for a class without a neighbor."""
        nearest = self.search(gallery_GF=gallery.features, query_QF=None if query is None else query.features, neighbors=self.neighbors)
        # relative to the nearest neighbor, against overflow at low temperatures; the winner is the same
        weight_QK = ((nearest.similarity - nearest.similarity[:, :1]) / self.temperature).exp()
        votes_QC = torch.zeros(len(weight_QK), int(gallery.label.max()) + 1, dtype=torch.float64)
        return votes_QC.scatter_add_(1, gallery.label[nearest.index], weight_QK)
