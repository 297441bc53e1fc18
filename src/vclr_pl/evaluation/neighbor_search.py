"""Exact search for nearest neighbors, in memory or with FAISS.

Legend: G gallery rows, Q query rows, g q rows of a block, F features, K neighbors, N candidates (K and some more), g rows of a block.

float32 selects some more candidates than requested, and float64 ranks them. If float32's
maximum error cannot exclude that another row is among the nearest, that query is searched in float64 only.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from vclr_pl.files import evenly_spaced
from vclr_pl.stop import stop_if_requested
from vclr_pl.types import InputError

# Cosines are rounded to multiples of this: far finer than the resolution of float32 features, far coarser than the noise of a
# float64 product, whose last bits depend on the position in a matrix. So equal features are equally near at every position.
COSINE_STEP = 1e-10
QUERY_ROWS_PER_BLOCK = 512
GALLERY_ROWS_PER_BLOCK = 16384
SPARE_CANDIDATES = 16
VALUES_PER_RANKING = 4_000_000  # a block of 32 MB in float64
FLOAT32_ROUNDING = 2.0**-24
EXCLUDED = torch.iinfo(torch.int64).min


@dataclass(frozen=True)
class Neighbors:
    """The nearest gallery rows of each query, nearest first."""

    index: Tensor  # [Q, K] long, rows of the gallery
    similarity: Tensor  # [Q, K] float64, cosine


class NeighborSearch(Protocol):
    """A search with the signature of `nearest_neighbors`, exact or approximate."""

    def __call__(self, *, gallery_GF: Tensor, query_QF: Tensor | None, neighbors: int) -> Neighbors: ...


def nearest_neighbors(*, gallery_GF: Tensor, query_QF: Tensor | None, neighbors: int) -> Neighbors:
    """The `neighbors` nearest rows of the gallery, or as many as there are.

    Without queries each gallery row is a query against the other rows (leave-one-out). A row of zeros has cosine 0 to all.
    """
    queries_QF = gallery_GF if query_QF is None else query_QF
    own_Q = torch.arange(len(gallery_GF)) if query_QF is None else None
    count = min(neighbors, len(gallery_GF) - int(query_QF is None))
    if count < 1:
        return Neighbors(index=torch.empty(len(queries_QF), 0, dtype=torch.long), similarity=torch.empty(len(queries_QF), 0).double())
    if len(gallery_GF) <= count + SPARE_CANDIDATES or torch.get_float32_matmul_precision() != "highest":
        key_QK = _keys_in_float64(gallery_GF, queries_QF, count, own_Q)
    else:
        key_QK = _keys_by_candidates(gallery_GF, queries_QF, count, own_Q)
    return Neighbors(
        index=len(gallery_GF) - 1 - torch.remainder(key_QK, len(gallery_GF)),
        similarity=torch.div(key_QK, len(gallery_GF), rounding_mode="floor").double() * COSINE_STEP,
    )


def require_neighbors(*, gallery: int, leave_one_out: bool, neighbors: int) -> None:
    """Check that every query has a neighbor.

    Args:
        gallery: number of gallery videos.
        leave_one_out: each gallery video is a query against the others.

    Raises:
        InputError: a query has no neighbor.
    """
    if neighbors < 1:
        raise InputError(expected="neighbors of 1 or more", got=str(neighbors), hint="Set for instance neighbors=10.")
    least = 1 + int(leave_one_out)
    if gallery < least:
        raise InputError(
            expected="two or more readable videos, to find the neighbors of each" if leave_one_out else "a readable gallery video",
            got=str(gallery),
            hint="Use more videos, or separate queries." if leave_one_out else "Check the files.",
        )


def cosine_keys(*, gallery_GF: Tensor, query_qF: Tensor, own_q: Tensor | None) -> Tensor:
    """`[q, G]` int64 sort keys: steps of cosine x G + (G - 1 - row), all distinct; EXCLUDED at the row of `own_q`."""
    unit_qF = _unit(query_qF.double())
    key_qG = torch.empty(len(query_qF), len(gallery_GF), dtype=torch.int64)
    for start in range(0, len(gallery_GF), GALLERY_ROWS_PER_BLOCK):
        unit_gF = _unit(gallery_GF[start : start + GALLERY_ROWS_PER_BLOCK].double())
        key_qG[:, start : start + len(unit_gF)] = _keys(unit_qF @ unit_gF.T, start=start, rows=len(gallery_GF))
    if own_q is not None:
        key_qG.scatter_(1, own_q[:, None], EXCLUDED)
    return key_qG


def _keys(cosine_qg: Tensor, *, start: int, rows: int) -> Tensor:
    row_g = torch.arange(start, start + cosine_qg.shape[1])
    return torch.round(cosine_qg / COSINE_STEP).long() * rows + (rows - 1 - row_g)


def _keys_in_float64(gallery_GF: Tensor, queries_QF: Tensor, count: int, own_Q: Tensor | None) -> Tensor:
    """`[Q, count]` keys, largest first."""
    best_QK = torch.empty(len(queries_QF), 0, dtype=torch.int64)
    for start in range(0, len(gallery_GF), GALLERY_ROWS_PER_BLOCK):
        unit_gF = _unit(gallery_GF[start : start + GALLERY_ROWS_PER_BLOCK].double())
        parts = []
        for first in range(0, len(queries_QF), QUERY_ROWS_PER_BLOCK):
            stop_if_requested()
            block = slice(first, first + QUERY_ROWS_PER_BLOCK)
            key_qg = _keys(_unit(queries_QF[block].double()) @ unit_gF.T, start=start, rows=len(gallery_GF))
            if own_Q is not None:
                key_qg[own_Q[block, None] == torch.arange(start, start + len(unit_gF))] = EXCLUDED
            candidates = torch.cat((best_QK[block], key_qg), dim=1)
            parts.append(candidates.topk(min(count, candidates.shape[1]), dim=1, sorted=True).values)
        best_QK = torch.cat(parts)
    return best_QK


def _keys_by_candidates(gallery_GF: Tensor, queries_QF: Tensor, count: int, own_Q: Tensor | None) -> Tensor:
    """`[Q, count]` keys, largest first, the same as `_keys_in_float64`."""
    cosine_QN, row_QN = _candidates(gallery_GF, queries_QF, count + SPARE_CANDIDATES, own_Q)
    queries_per_ranking = max(1, VALUES_PER_RANKING // (row_QN.shape[1] * gallery_GF.shape[1]))
    parts = []
    for first in range(0, len(queries_QF), queries_per_ranking):
        stop_if_requested()
        block = slice(first, first + queries_per_ranking)
        row_qN = row_QN[block]
        unit_qNF = _unit(gallery_GF[row_qN].double())
        cosine_qN = torch.bmm(unit_qNF, _unit(queries_QF[block].double())[:, :, None])[:, :, 0]
        key_qN = torch.round(cosine_qN / COSINE_STEP).long() * len(gallery_GF) + (len(gallery_GF) - 1 - row_qN)
        key_qN[cosine_QN[block] == -torch.inf] = EXCLUDED
        parts.append(key_qN.topk(count, dim=1, sorted=True).values)
    key_QK = torch.cat(parts)
    # upper bound for rows that are not candidates: the least cosine of a candidate, plus the error of both
    error = (3 * gallery_GF.shape[1] + 16) * FLOAT32_ROUNDING + 2 * COSINE_STEP
    last_Q = torch.div(key_QK[:, -1], len(gallery_GF), rounding_mode="floor").double() * COSINE_STEP
    open_Q = last_Q <= cosine_QN.min(dim=1).values.double() + error
    if bool(open_Q.any()):
        key_QK[open_Q] = _keys_in_float64(gallery_GF, queries_QF[open_Q], count, None if own_Q is None else own_Q[open_Q])
    return key_QK


def _candidates(gallery_GF: Tensor, queries_QF: Tensor, wanted: int, own_Q: Tensor | None) -> tuple[Tensor, Tensor]:
    """Cosines `[Q, N]` and rows `[Q, N]` of the nearest in float32, unordered; minus infinity at a query's own row."""
    wanted = min(wanted, len(gallery_GF))
    best_QN, row_QN = torch.empty(len(queries_QF), 0), torch.empty(len(queries_QF), 0, dtype=torch.long)
    for start in range(0, len(gallery_GF), GALLERY_ROWS_PER_BLOCK):
        unit_gF = _unit(gallery_GF[start : start + GALLERY_ROWS_PER_BLOCK].float())
        row_g = torch.arange(start, start + len(unit_gF))
        values, rows = [], []
        for first in range(0, len(queries_QF), QUERY_ROWS_PER_BLOCK):
            stop_if_requested()
            block = slice(first, first + QUERY_ROWS_PER_BLOCK)
            cosine_qg = _unit(queries_QF[block].float()) @ unit_gF.T
            if own_Q is not None:
                cosine_qg[own_Q[block, None] == row_g] = -torch.inf
            in_block = cosine_qg.topk(min(wanted, len(unit_gF)), dim=1, sorted=False)
            cosines = torch.cat((best_QN[block], in_block.values), dim=1)
            kept = cosines.topk(min(wanted, cosines.shape[1]), dim=1, sorted=False)
            values.append(kept.values)
            rows.append(torch.cat((row_QN[block], in_block.indices + start), dim=1).gather(1, kept.indices))
        best_QN, row_QN = torch.cat(values), torch.cat(rows)
    return best_QN, row_QN


def _unit(features: Tensor) -> Tensor:
    return torch.nn.functional.normalize(features, dim=-1)


ROWS_PER_BLOCK = 16384
UNKNOWN = -1  # faiss's row number for missing neighbors


class FaissSearch:
    """FAISS search by cosine, as inner products of unit rows in float32. Equally near rows are in gallery order.

    Args:
        index: faiss's index factory string: `Flat` for uncompressed rows, `IVF1024,PQ64` for example for compressed rows.
        training_rows: largest number of rows for training an index.
        probes: lists searched in an inverted index (nprobe); 1 for other indices.

    Raises:
        InputError: faiss is not installed.
    """

    def __init__(self, *, index: str, training_rows: int, probes: int) -> None:
        self.index, self.training_rows, self.probes = index, training_rows, probes
        try:
            self._faiss: Any = importlib.import_module("faiss")
        except ImportError:
            raise InputError(
                expected="the package faiss", got="a machine without it", hint="pip install faiss-cpu, or search=null."
            ) from None

    def __call__(self, *, gallery_GF: Tensor, query_QF: Tensor | None, neighbors: int) -> Neighbors:
        """Like `nearest_neighbors`; compressed indices are approximate.

        Raises:
            InputError: the index returns fewer neighbors than requested.
        """
        wanted = min(neighbors, len(gallery_GF) - int(query_QF is None))
        index = self._filled(gallery_GF)
        queries_QF = gallery_GF if query_QF is None else query_QF
        parts = []
        for start in range(0, len(queries_QF), ROWS_PER_BLOCK):
            block_gF = queries_QF[start : start + ROWS_PER_BLOCK]
            own_g = torch.arange(start, start + len(block_gF)) if query_QF is None else None
            parts.append(self._search(index, block_gF, wanted, own_g))
        return Neighbors(index=torch.cat([rows for rows, _ in parts]), similarity=torch.cat([cosines for _, cosines in parts]))

    def _filled(self, gallery_GF: Tensor) -> Any:
        index = self._faiss.index_factory(gallery_GF.shape[1], self.index, self._faiss.METRIC_INNER_PRODUCT)
        if not index.is_trained:
            index.train(_unit_array(gallery_GF[evenly_spaced(len(gallery_GF), self.training_rows)]))
        for part_gF in gallery_GF.split(ROWS_PER_BLOCK):
            stop_if_requested()
            index.add(_unit_array(part_gF))
        inverted = self._faiss.try_extract_index_ivf(index)  # also after a transform, as in OPQ16,IVF1024,PQ16
        if inverted is not None:
            inverted.nprobe = self.probes
        return index

    def _search(self, index: Any, query_qF: Tensor, wanted: int, own_q: Tensor | None) -> tuple[Tensor, Tensor]:
        cosines, rows = index.search(_unit_array(query_qF), wanted + int(own_q is not None))
        row_qK, cosine_qK = torch.from_numpy(rows).long(), torch.from_numpy(cosines).double()
        if own_q is not None:
            # moves the query's own row to the end, to drop it; without it the farthest row is dropped
            is_own_qK = row_qK == own_q[:, None]
            last = torch.argsort(is_own_qK.int(), dim=1, stable=True)[:, :wanted]
            row_qK, cosine_qK = row_qK.gather(1, last), cosine_qK.gather(1, last)
        if bool((row_qK == UNKNOWN).any()):
            raise InputError(
                expected=f"{wanted} neighbors of each query", got=f"fewer from the index {self.index}", hint="Raise search.probes."
            )
        by_row = torch.argsort(row_qK, dim=1)
        row_qK, cosine_qK = row_qK.gather(1, by_row), cosine_qK.gather(1, by_row)
        by_cosine = torch.argsort(cosine_qK, dim=1, descending=True, stable=True)
        return row_qK.gather(1, by_cosine), cosine_qK.gather(1, by_cosine)


def _unit_array(features: Tensor) -> Any:
    return torch.nn.functional.normalize(features.float(), dim=1).contiguous().numpy()
