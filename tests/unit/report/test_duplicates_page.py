"""Groups of near duplicates as a table and in words."""

from __future__ import annotations

import csv
from pathlib import Path

import torch

from vclr_pl.evaluation.duplicate_groups import DuplicateGroup, GroupMember, VideoFacts
from vclr_pl.evaluation.near_duplicates import Pairs
from vclr_pl.report.duplicates_page import COLUMNS, in_words, shown_groups, write_groups, write_left_out, write_pairs
from vclr_pl.report.page_content import PageOptions
from vclr_pl.types import FeatureTable

GROUPS = [
    DuplicateGroup(kept=GroupMember(1, "most pixels", 1.0), removed=(GroupMember(0, "fewer pixels", 0.5),)),
    DuplicateGroup(kept=GroupMember(2, "longest", 1.0), removed=(GroupMember(3, "shorter", 0.25),)),
]


def test_the_table_of_what_to_keep(tmp_path: Path) -> None:
    paths = ("a.mp4", "b, c.mp4", "caf\udce9.mp4", "d.mp4")
    table = FeatureTable(features=torch.eye(4), label=torch.full((4,), -1), video_index=torch.arange(4), path=paths)
    facts = {1: VideoFacts(width=64, height=48, seconds=2.5, kilobits_per_second=90), **dict.fromkeys((0, 2, 3), VideoFacts())}
    write_groups(tmp_path / "d.csv", table=table, groups=GROUPS, facts=facts)
    with (tmp_path / "d.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        header, *lines = csv.reader(file)
    assert header == list(COLUMNS)
    assert lines == [
        ["1", "b, c.mp4", "keep", "most pixels", "64", "48", "2.50", "90", "1.000000"],
        ["1", "a.mp4", "remove", "fewer pixels", "", "", "", "", "0.500000"],
        ["2", "caf\udce9.mp4", "keep", "longest", "", "", "", "", "1.000000"],
        ["2", "d.mp4", "remove", "shorter", "", "", "", "", "0.250000"],
    ]


def test_the_page_shows_the_first_groups() -> None:
    options = PageOptions(neighbors=1, rows=1, map_points=0, maximum_megabytes=1)
    shown = shown_groups(GROUPS, options=options)
    assert shown.rows == ((("gallery", 1), ((("gallery", 0), 0.5),)),)
    assert shown.rows_of("gallery") == [1, 0]
    lead = in_words(GROUPS, videos=9, threshold="Above 0.2.", shown=1)
    assert lead == (
        "2 groups of near duplicates among 9 videos: 2 could be removed, 7 remain (2 kept of groups, 5 in no group). "
        "Clips of one recording also form groups: look before you remove. Above 0.2. The first 1 groups are shown."
    )
    assert in_words([], videos=1, threshold="Above 0.2.", shown=0) == "0 groups of near duplicates among 1 videos. Above 0.2."


def lines(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_pairs(tmp_path: Path) -> None:
    pairs = Pairs(rows=torch.tensor([[0, 2]]), similarity=torch.tensor([0.75]).double(), found=1, near=torch.tensor([True, False, True]))
    table = FeatureTable(features=torch.eye(3), label=torch.full((3,), -1), video_index=torch.arange(3), path=("/a", "/b", "/c"))
    write_pairs(tmp_path / "x.csv", table=table, pairs=pairs)
    assert lines(tmp_path / "x.csv") == [["first", "second", "similarity"], ["/a", "/c", "0.750000"]]


def test_what_was_left_out(tmp_path: Path) -> None:
    write_left_out(tmp_path / "x.csv", [("/a, b", "the same file as /c")])
    assert lines(tmp_path / "x.csv") == [["path", "reason"], ["/a, b", "the same file as /c"]]
