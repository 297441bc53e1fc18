"""The first sentences of the page of a retrieval, and the similarity of random pairs against all pairs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vclr_pl.report.retrieval_lead import median_similarity, retrieval_lead, window_in_words
from vclr_pl.types import FeatureTable


def table(rows: int, label: int = -1) -> FeatureTable:
    return FeatureTable(
        features=torch.eye(rows), label=torch.full((rows,), label), video_index=torch.arange(rows), path=("x",) * rows, class_names=("a",)
    )


def lead(gallery: FeatureTable, query: FeatureTable | None = None, *, window: str = "", data_option: str = "data") -> str:
    judged = not bool((gallery.label < 0).any())
    return retrieval_lead(gallery=gallery, query=query, judged=judged, shown=len(query or gallery), window=window, data_option=data_option)


def test_every_video_is_a_query() -> None:
    assert lead(table(4, 0)) == (
        "Each of 4 videos is shown with the most similar others. Two random videos have a median similarity of 0.000. "
        "A neighbor with the query's class is right, any other wrong."
    )


@pytest.mark.parametrize(
    ("data_option", "roots", "layout"), [("data", "data.root", "data=ucf101"), ("gallery", "gallery.root", "data@gallery=ucf101")]
)
def test_which_videos_have_no_label_and_how_to_give_labels(data_option: str, roots: str, layout: str) -> None:
    partly = replace(table(4, 0), label=torch.tensor([0, -1, 0, 0]))
    assert lead(partly, data_option=data_option).endswith(
        "Neighbors are not marked right or wrong: 1 of 4 videos have no label. "
        f"Two or more class folders directly below {roots} give labels, or the layout of a benchmark ({layout})."
    )
    asked = lead(table(3), table(2), data_option="gallery")
    assert "3 of 3 gallery videos and 2 of 2 queries have no label." in asked
    assert "below gallery.root and query.root give" in asked


def test_segments() -> None:
    window = window_in_words(segments=16, videos=4, seconds=4, stride_seconds=2)
    assert window == "16 segments of 4 s, one every 2 s, of 4 videos; the last of a video includes the rest."
    assert window_in_words(segments=1, videos=1, seconds=2.5, stride_seconds=1).startswith("1 segment of 2.5 s, one every 1 s, of 1 video;")
    found = lead(table(16), window=window)
    assert found.startswith(f"{window} Each is shown with the most similar others. A picture plays its segment; the link below it")
    assert "opens the file at that time, if the browser plays this format. Two random segments have" in found
    assert "16 of 16 segments have no label" in found


def test_the_median_of_all_pairs_of_a_small_gallery() -> None:
    features = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # cosines 0, 0.7071, 0.7071
    assert median_similarity(features) == pytest.approx(0.5**0.5)


def test_random_pairs_of_a_large_gallery_are_different_videos() -> None:
    assert median_similarity(torch.eye(100)) == 0
    features = torch.randn(400, 8, generator=torch.Generator().manual_seed(1)) + 0.5
    unit = torch.nn.functional.normalize(features, dim=1)
    every = (unit @ unit.T)[tuple(torch.triu_indices(400, 400, offset=1))].median()
    assert median_similarity(features) == pytest.approx(float(every), abs=0.03)
    assert median_similarity(features) == median_similarity(features)
