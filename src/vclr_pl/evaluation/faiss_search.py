"""Nearest neighbors by faiss, for galleries past memory or past patience; the same call as the exact search.

Legend: G gallery rows, Q query rows, g rows of a block, F features, K neighbors.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

from vclr_pl.evaluation.neighbor_search import Neighbors
from vclr_pl.types import InputError

ROWS_PER_BLOCK = 16384
UNKNOWN = -1  # faiss fills with it where it finds too few


class FaissSearch:
    """Cosine by inner products of unit rows, in float32; of equally near rows the first stands first among those found.

    Args:
        index: faiss's name of an index, `Flat` for all rows as they are, for instance `IVF1024,PQ64` for compressed ones.
        training_rows: at most, that an index which learns is shown.
        probes: lists that an inverted index looks into; 1 for an index that has none.

    Raises:
        InputError: faiss is not installed.
    """

    def __init__(self, *, index: str, training_rows: int, probes: int) -> None:
        self.index, self.training_rows, self.probes = index, training_rows, probes
        try:
            self._faiss: Any = importlib.import_module("faiss")
        except ImportError:
            raise InputError(
                expected="the package faiss", got="a machine without it", remedy="pip install faiss-cpu, or search=null."
            ) from None

    def __call__(self, *, gallery_GF: Tensor, query_QF: Tensor | None, neighbors: int) -> Neighbors:
        """As `nearest_neighbors`; compressed indices find approximately.

        Raises:
            InputError: an index that finds fewer neighbors than were asked for.
        """
        wanted = min(neighbors, len(gallery_GF) - int(query_QF is None))
        index = self._filled(gallery_GF)
        asking_QF = gallery_GF if query_QF is None else query_QF
        parts = []
        for start in range(0, len(asking_QF), ROWS_PER_BLOCK):
            block_gF = asking_QF[start : start + ROWS_PER_BLOCK]
            own_g = torch.arange(start, start + len(block_gF)) if query_QF is None else None
            parts.append(self._search(index, block_gF, wanted, own_g))
        return Neighbors(index=torch.cat([rows for rows, _ in parts]), similarity=torch.cat([cosines for _, cosines in parts]))

    def _filled(self, gallery_GF: Tensor) -> Any:
        index = self._faiss.index_factory(gallery_GF.shape[1], self.index, self._faiss.METRIC_INNER_PRODUCT)
        if not index.is_trained:
            index.train(_unit(gallery_GF[training_places(rows=len(gallery_GF), wanted=self.training_rows)]))
        for part_gF in gallery_GF.split(ROWS_PER_BLOCK):
            index.add(_unit(part_gF))
        inverted = self._faiss.try_extract_index_ivf(index)  # also behind a transform, as in OPQ16,IVF1024,PQ16
        if inverted is not None:
            inverted.nprobe = self.probes
        return index

    def _search(self, index: Any, query_qF: Tensor, wanted: int, own_q: Tensor | None) -> tuple[Tensor, Tensor]:
        cosines, rows = index.search(_unit(query_qF), wanted + int(own_q is not None))
        row_qK, cosine_qK = torch.from_numpy(rows).long(), torch.from_numpy(cosines).double()
        if own_q is not None:
            # its own row last, or, where the index did not find it, the farthest
            is_own_qK = row_qK == own_q[:, None]
            last = torch.argsort(is_own_qK.int(), dim=1, stable=True)[:, :wanted]
            row_qK, cosine_qK = row_qK.gather(1, last), cosine_qK.gather(1, last)
        if bool((row_qK == UNKNOWN).any()):
            raise InputError(
                expected=f"{wanted} neighbors of each query", got=f"fewer from the index {self.index}", remedy="Raise search.probes."
            )
        by_row = torch.argsort(row_qK, dim=1)
        row_qK, cosine_qK = row_qK.gather(1, by_row), cosine_qK.gather(1, by_row)
        by_cosine = torch.argsort(cosine_qK, dim=1, descending=True, stable=True)
        return row_qK.gather(1, by_cosine), cosine_qK.gather(1, by_cosine)


def training_places(*, rows: int, wanted: int) -> Tensor:
    """`wanted` of `rows` places at equal distances, or all of them."""
    shown = min(rows, wanted)
    return torch.arange(shown) * rows // shown


def _unit(features: Tensor) -> Any:
    return torch.nn.functional.normalize(features.float(), dim=1).contiguous().numpy()
