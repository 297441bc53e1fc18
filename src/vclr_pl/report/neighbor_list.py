"""Neighbors and pairs as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vclr_pl.evaluation.near_duplicates import Pairs
from vclr_pl.evaluation.neighbor_search import Neighbors
from vclr_pl.types import FeatureTable
from vclr_pl.whole_file import write_csv


def write_neighbors(path: Path, *, gallery: FeatureTable, query: FeatureTable, found: Neighbors) -> None:
    """`query,rank,neighbor,similarity,query_class,neighbor_class`, one line a neighbor, nearest first; a class is empty where unknown."""
    lines = (
        (query.path[row], rank, gallery.path[near], f"{similarity:.6f}", class_name(query, row), class_name(gallery, near))
        for row in range(len(query))
        for rank, (near, similarity) in enumerate(zip(found.index[row].tolist(), found.similarity[row].tolist(), strict=True), 1)
    )
    write_csv(path, ("query", "rank", "neighbor", "similarity", "query_class", "neighbor_class"), lines)


def write_pairs(path: Path, *, table: FeatureTable, pairs: Pairs) -> None:
    """`first,second,similarity`, the most similar pair first."""
    ends = zip(pairs.rows.tolist(), pairs.similarity.tolist(), strict=True)
    lines = ((table.path[first], table.path[second], f"{similarity:.6f}") for (first, second), similarity in ends)
    write_csv(path, ("first", "second", "similarity"), lines)


def write_left_out(path: Path, left_out: Sequence[tuple[str, str]]) -> None:
    """`path,reason` of the videos that were not searched for pairs."""
    write_csv(path, ("path", "reason"), left_out)


def class_name(table: FeatureTable, row: int) -> str:
    label = int(table.label[row])
    return "" if label < 0 else table.class_names[label] if label < len(table.class_names) else str(label)
