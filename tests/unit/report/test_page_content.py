"""Which videos a page shows, and what it says of classes."""

from __future__ import annotations

import pytest
import torch
from tests.page.sample_page import drawn_pictures

from vclr_pl.evaluation.neighbor_search import Neighbors
from vclr_pl.report.page_content import PageOptions, joined_classes, judgments, page_of, shown_neighbors
from vclr_pl.report.retrieval_page import ClassRecall, Confusion, PageNeighbor, PageRow, RetrievalPage
from vclr_pl.types import FeatureTable, InputError

OPTIONS = PageOptions(neighbors=2, rows=3, map_points=10, maximum_megabytes=1)
EMPTY = RetrievalPage(title="t", lead="l", videos=(), rows=())


def table(label: list[int], names: tuple[str, ...], folder: str) -> FeatureTable:
    rows = torch.arange(len(label))
    paths = tuple(f"/data/{folder}/{row}.mp4" for row in rows.tolist())
    features = torch.randn(len(label), 4, generator=torch.Generator().manual_seed(0))
    return FeatureTable(features=features, label=torch.tensor(label), video_index=rows, path=paths, class_names=names)


def crop_of(*, height: int, width: int) -> tuple[float, float, float, float]:
    return width, height, 0.5, 0.5


def found(index: list[list[int]]) -> Neighbors:
    return Neighbors(index=torch.tensor(index), similarity=torch.full((len(index), len(index[0])), 0.5).double())


def test_queries_at_equal_distances_and_their_nearest() -> None:
    shown = shown_neighbors(found=found([[3, 1, 0]] * 7), leave_one_out=False, options=OPTIONS)
    assert [asking for asking, _ in shown.rows] == [("query", 0), ("query", 2), ("query", 4)]
    assert shown.rows[0][1] == ((("gallery", 3), 0.5), (("gallery", 1), 0.5))
    assert shown.rows_of("gallery") == [3, 1]
    assert shown.rows_of("query") == [0, 2, 4]


def test_leaving_one_out_shows_each_video_once() -> None:
    shown = shown_neighbors(found=found([[1], [0]]), leave_one_out=True, options=OPTIONS)
    assert shown.places == (("gallery", 0), ("gallery", 1))


def test_a_page_of_two_tables() -> None:
    gallery, query = table([0, 1, 1, 0], ("jump", "run"), "gallery"), table([0], ("run",), "query")
    shown = shown_neighbors(found=found([[2, 0]]), leave_one_out=False, options=OPTIONS)
    pictures = {("gallery", 2): drawn_pictures(0)}
    page = page_of(page=EMPTY, shown=shown, gallery=gallery, query=query, pictures=pictures, crop_of=crop_of, options=OPTIONS)
    assert [video.crop for video in page.videos] == [None, (640.0, 480.0, 0.5, 0.5), None, None, None]
    assert [(video.name, video.class_number, video.pictures is None) for video in page.videos] == [
        ("0.mp4", 1, True),
        ("2.mp4", 1, False),
        ("0.mp4", 0, True),
        ("1.mp4", 1, True),  # on the map only
        ("3.mp4", 0, True),
    ]
    assert page.rows == [PageRow(0, (PageNeighbor(1, 0.5), PageNeighbor(2, 0.5)))]
    assert page.class_names == ["jump", "run"]
    assert [(point.video, point.is_query) for point in page.points] == [(2, False), (3, False), (1, False), (4, False), (0, True)]


def test_classes_of_one_name_are_one() -> None:
    names, number_of = joined_classes(table([0, 1], ("jump", "run"), "a"), table([0, 2, -1], ("run", "swim"), "b"))
    assert names == ["jump", "run", "swim", "class 2"]
    assert number_of == {"gallery": {-1: -1, 0: 0, 1: 1}, "query": {-1: -1, 0: 1, 1: 2, 2: 3}}


def test_recall_and_confusion_by_hand() -> None:
    gallery, query = table([0, 1], ("a", "b"), "g"), table([0, 0, 1, 1, 1], ("a", "b"), "q")
    recall, confusion = judgments(gallery=gallery, query=query, nearest_Q=torch.tensor([0, 0, 0, 1, 0]))
    assert recall == [ClassRecall(1, 1, 3), ClassRecall(0, 2, 2)]
    assert confusion == [Confusion(0, 0, 2), Confusion(1, 0, 2), Confusion(1, 1, 1)]
    assert judgments(gallery=gallery, query=table([0, -1], ("a",), "q"), nearest_Q=torch.tensor([0, 0])) == ([], [])


def test_figures_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="rows"):
        PageOptions(neighbors=1, rows=0, map_points=0, maximum_megabytes=1)
