"""Video retrieval: does a query's class stand among its nearest gallery videos?

Legend: Q queries, K neighbors.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vclr_pl.evaluation.accuracy import percent_correct, percent_correct_by_class, query_labels
from vclr_pl.evaluation.average_precision import average_precision
from vclr_pl.evaluation.neighbor_search import NeighborSearch, nearest_neighbors
from vclr_pl.evaluation.query_scores import QueryScores
from vclr_pl.types import FeatureTable, InputError


class Retrieval:
    """R@k: the share of queries with a video of their class among the k nearest by cosine (VCLR, section 4.3; exact).

    Features are the unnormalized averages of a video's frames. Of equally near videos the first of the gallery counts first.

    Args:
        ranks: the k of R@k; one larger than the gallery asks the whole gallery.
        search: finds the neighbors; None for the exact search.

    Raises:
        InputError: ranks that are none or below 1.
    """

    def __init__(self, *, ranks: Sequence[int], search: NeighborSearch | None = None) -> None:
        self.ranks, self.search = tuple(ranks), search or nearest_neighbors
        if not self.ranks or min(self.ranks) < 1:
            raise InputError(expected="ranks of 1 or more", got=str(list(ranks)), remedy="Set for instance ranks=[1,5,10].")

    def __call__(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
        """`retrieval_r1`, ... in percent, by rank; without queries each gallery video asks the others.

        Raises:
            InputError: an empty or unlabeled table.
        """
        right_QK = self._right_class(gallery, query, max(self.ranks))
        return {f"retrieval_r{rank}": percent_correct(right_QK[:, :rank].any(dim=1)) for rank in self.ranks}

    def by_class(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
        """R@1 in percent within each class of the queries, by class name."""
        right_QK = self._right_class(gallery, query, 1)
        label_Q = query_labels(gallery=gallery, query=query)
        return percent_correct_by_class(correct_N=right_QK[:, 0], label_N=label_Q, class_names=gallery.class_names)

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
        """`[Q, K]` bool: the neighbor is of the query's class."""
        label_Q = query_labels(gallery=gallery, query=query)
        found = self.search(gallery_GF=gallery.features, query_QF=None if query is None else query.features, neighbors=neighbors)
        return gallery.label[found.index] == label_Q[:, None]
