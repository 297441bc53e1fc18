"""CSV that a spreadsheet reads back."""

from __future__ import annotations

import csv
from pathlib import Path

import torch

from vclr_pl.evaluation.neighbor_search import Neighbors
from vclr_pl.report.page_content import write_neighbors
from vclr_pl.types import FeatureTable


def table(paths: tuple[str, ...], label: list[int], names: tuple[str, ...] = ()) -> FeatureTable:
    rows = torch.arange(len(paths))
    return FeatureTable(features=torch.zeros(len(paths), 1), label=torch.tensor(label), video_index=rows, path=paths, class_names=names)


def lines(path: Path) -> list[list[str]]:
    with path.open(newline="", errors="surrogateescape") as file:
        return list(csv.reader(file))


def test_neighbors(tmp_path: Path) -> None:
    gallery, query = table(("/a, b.mp4", '/"c".mp4'), [0, 5], ("run",)), table(("/q\udce9.mp4",), [-1])
    found = Neighbors(index=torch.tensor([[1, 0]]), similarity=torch.tensor([[0.5, -0.25]]).double())
    write_neighbors(tmp_path / "x.csv", gallery=gallery, query=query, found=found)
    assert lines(tmp_path / "x.csv") == [
        ["query", "rank", "neighbor", "similarity", "query_class", "neighbor_class"],
        ["/q\udce9.mp4", "1", '/"c".mp4', "0.500000", "", "5"],
        ["/q\udce9.mp4", "2", "/a, b.mp4", "-0.250000", "", "run"],
    ]
