"""Pictures are asked for the videos that are shown, by their place in the list."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from tests.page.sample_page import DrawnPictures, drawn_pictures

from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.evaluation.duplicate_groups import DuplicateGroup, GroupMember, VideoFacts
from vclr_pl.evaluation.neighbor_search import nearest_neighbors
from vclr_pl.report.page_content import PageOptions
from vclr_pl.report.page_maker import PageMaker
from vclr_pl.types import FeatureTable, InputError

VIEW = EvaluationView(frames=30, crop_pixels=224, short_side_pixels=256, mean=(0, 0, 0), std=(1, 1, 1))
ASKED: dict[str, list[int]] = {}


def pictures(manifest: str, videos: Sequence[int]) -> Mapping[int, DrawnPictures]:
    ASKED[manifest] = list(videos)
    return {index: drawn_pictures(index) for index in videos[1:]}  # the first cannot be read


def table(features: torch.Tensor, label: int, first_index: int) -> FeatureTable:
    rows = torch.arange(len(features))
    paths = tuple(f"/data/{row}.mp4" for row in rows.tolist())
    return FeatureTable(
        features=features, label=torch.full((len(rows),), label), video_index=rows + first_index, path=paths, class_names=("a",)
    )


def maker() -> PageMaker:
    options = PageOptions(neighbors=2, rows=10, map_points=10, maximum_megabytes=5)
    return PageMaker(
        options=options, pictures=pictures, manifests={"gallery": "the gallery", "query": "the query"}, origin="<somewhere>", view=VIEW
    )


def test_a_page_of_neighbors(tmp_path: Path) -> None:
    gallery, query = table(torch.eye(4), 0, 100), table(torch.eye(4)[:1], 0, 7)
    found = nearest_neighbors(gallery_GF=gallery.features, query_QF=query.features, neighbors=3)
    maker().write_neighbors(tmp_path / "page.html", gallery=gallery, query=query, found=found)
    html = (tmp_path / "page.html").read_text()
    assert ASKED == {"the gallery": [100, 101], "the query": [7]}
    assert (
        "One query with the most similar of 4 gallery videos. Two random gallery videos have a median similarity of 0.000. A neighbor"
        in html
    )
    assert "Encoder: &lt;somewhere&gt;" in html
    assert (
        "The encoder receives only the outlined part of a frame: "
        "30 frames per video, center crop of 224 pixels from a short side of 256" in html
    )
    content = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert content is not None
    crops = [video["crop"] for video in json.loads(content.group(1))["videos"] if "crop" in video]
    assert crops[-1] == pytest.approx(
        {"left": 17.16, "top": 6.25, "width": 65.69, "height": 87.5}, abs=0.02
    )  # 224 x 224 of 341 x 256, of 640 x 480


def test_a_page_of_groups(tmp_path: Path) -> None:
    gallery = table(torch.eye(4), -1, 100)
    kept, removed = GroupMember(3, "most pixels", 1.0), (GroupMember(0, "fewer pixels", 0.91), GroupMember(1, "shorter", 0.5))
    facts = {3: VideoFacts(width=640, height=480, seconds=2.0, kilobits_per_second=90), 0: VideoFacts(), 1: VideoFacts(seconds=1.0)}
    groups = [DuplicateGroup(kept=kept, removed=removed)]
    maker().write_groups(tmp_path / "page.html", gallery=gallery, groups=groups, facts=facts, minimum=0.9, threshold="At <0.9>.")
    html = (tmp_path / "page.html").read_text()
    assert "1 group of near duplicates among 4 videos: 2 could be removed, 2 remain (1 kept of groups, 1 in no group). Clips" in html
    assert "At &lt;0.9&gt;." in html
    assert "centered on the mean of the collection" in html
    assert "the average over its frames" not in html  # that is another feature
    assert ASKED["the gallery"] == [103, 100, 101]
    content = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert content is not None
    data = json.loads(content.group(1))
    assert [video["name"] for video in data["videos"]] == [
        "3.mp4 (640 x 480, 2.0 s, 90 kbit/s, kept: most pixels)",
        "0.mp4 (fewer pixels)",
        "1.mp4 (1.0 s, shorter)",
    ]
    assert (data["points"], data["least_similarity"]) == ([], 0.9)
    assert data["rows"] == [{"query": 0, "neighbors": [{"video": 1, "similarity": 0.91}, {"video": 2, "similarity": 0.5}]}]


@pytest.mark.parametrize("videos", [0, 1])
def test_a_gallery_without_neighbors_is_refused(tmp_path: Path, videos: int) -> None:
    gallery = table(torch.eye(4)[:videos], -1, 0)
    found = nearest_neighbors(gallery_GF=gallery.features, query_QF=None, neighbors=3)
    with pytest.raises(InputError, match="two or more readable videos"):
        maker().write_search(tmp_path / "page.html", gallery=gallery, query=None, figures=())
    with pytest.raises(InputError, match="expected neighbors of 1"):
        maker().write_neighbors(tmp_path / "page.html", gallery=table(torch.eye(4), 0, 0), query=None, found=found)
