"""The table beside evenly spaced proposals.
Pages: what they say, where bars stand, that names are text, and that they need nothing from elsewhere.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import rich.console

from vclr_pl.localization.page import (
    LabeledSegment,
    LocalizationPages,
    LocalizedVideo,
    curve_points,
    file_name,
    label_hues,
    localization_figures,
    localization_table,
    tiou,
)
from vclr_pl.report.record import ResultRecord
from vclr_pl.report.retrieval_page import Figure
from vclr_pl.report.tables import metric_title
from vclr_pl.types import InputError

METRICS = {"ar_100": 74.02, "auc": 66.1, "map_50": 30.0, "map": 20.0}


def test_titles() -> None:
    assert [metric_title(name) for name in METRICS] == ["AR@100", "AUC", "mAP at 0.50", "mAP, mean of 0.5:0.05:0.95"]


def test_the_table_tells_the_gain() -> None:
    record = ResultRecord(name="x", metrics=METRICS, baseline={"auc": 60.0}, provenance={"seed": 3}, timings_seconds={})
    stream = io.StringIO()
    rich.console.Console(file=stream, width=100).print(localization_table(record))
    lines = stream.getvalue().splitlines()
    assert "x, seed 3" in lines[0]
    assert next(line for line in lines if "AUC" in line).split()[3:8:2] == ["60.0", "66.1", "+6.1"]
    assert next(line for line in lines if "AR@100" in line).split()[3:8:2] == ["-", "74.0", "-"]


def test_figures_of_the_page() -> None:
    figures = localization_figures(METRICS, {"auc": 60.0})
    assert [(figure.name, figure.value, figure.interval) for figure in figures][:2] == [
        ("AR@100", "74.0%", ""),
        ("AUC", "66.1%", "evenly spaced 60.0%"),
    ]


def test_every_figure_has_an_explanation() -> None:
    metrics = {"ar_1": 1.0, "ar_100": 2.0, **METRICS}
    told = {figure.name: figure.explanation for figure in localization_figures(metrics, {})}
    assert told["AR@1"] == "average recall with 1 proposal per video, over tIoU 0.50 to 0.95"
    assert told["AR@100"] == "average recall with 100 proposals per video, over tIoU 0.50 to 0.95"
    assert told["AUC"].startswith("area under the curve of average recall")
    assert told["mAP at 0.50"].endswith("at this tIoU with a true segment")
    assert told["mAP, mean of 0.5:0.05:0.95"].endswith("averaged over tIoU 0.50 to 0.95")


PAGES = LocalizationPages(proposals=3, videos=4)


@dataclass
class Pictures:
    strip: bytes = b"strip"
    preview: bytes = b""
    frames: int = 12
    width_pixels: int = 4
    height_pixels: int = 3


def video(identity: str = "one", *, with_pictures: bool = True, segments: bool = True) -> LocalizedVideo:
    return LocalizedVideo(
        identity=identity,
        duration_seconds=40.0,
        covered_seconds=36.0,
        segments=[LabeledSegment("jump <b>", 4.0, 10.0), LabeledSegment("run", 8.0, 20.0)] if segments else [],
        proposals=[(4.0, 10.0, 0.9), (30.0, 40.0, 0.5), (8.0, 22.0, 0.4), (0.0, 1.0, 0.1)],
        start=[0.0, 1.0],
        end=[0.5, 0.25],
        pictures=Pictures() if with_pictures else None,
    )


def written(tmp_path: Path, *videos: LocalizedVideo) -> dict[str, str]:
    PAGES.write(tmp_path, list(videos), figures=[Figure("AUC", "66.1%")], notes=["by hand"])
    return {path.name: path.read_text() for path in tmp_path.iterdir()}


def test_a_page_tells_its_video(tmp_path: Path) -> None:
    page = written(tmp_path, video())["one.html"]
    assert "2 of 2 true segments meet one of the 4 proposals at a tIoU of 0.5 or more" in page
    assert "jump &lt;b&gt;" in page
    assert "jump <b>" not in page
    assert page.count('class="bar-at fits"') == 2
    assert 'class="bar-at" style="left:75.000%;width:25.000%"' in page
    assert 'points="0.00,100.00 45.00,0.00"' in page
    assert page.count('class="lane"') == 2  # the segments overlap
    assert "data:image/webp;base64,c3RyaXA=" in page


def test_a_later_proposal_that_fits_a_segment_best_has_a_row(tmp_path: Path) -> None:
    one = replace(video(), proposals=[*[(30.0 + number, 31.0, 0.9) for number in (0.0, 0.1, 0.2)], (0.0, 1.0, 0.5), (4.0, 9.5, 0.2)])
    page = written(tmp_path, one)["one.html"]
    assert re.findall(r"<tr><td>(\d+)</td>", page) == ["1", "2", "3", "5"]
    assert "Best proposals, and those that fit a true segment best" in page
    assert "those that fit" not in written(tmp_path, video())["one.html"]


def test_the_index_counts_what_its_bars_show(tmp_path: Path) -> None:
    """Five proposals that fit nothing, then one that fits the only segment: the index says both, and shows the sixth with its rank."""
    wrong = [(30.0 + number, 31.0 + number, 0.9 - number / 10) for number in range(5)]
    one = replace(video(), segments=[LabeledSegment("jump", 4.0, 10.0)], proposals=[*wrong, (20.0, 25.0, 0.3), (4.0, 9.5, 0.2)])
    index = written(tmp_path, one)["index.html"]
    assert "0 of 1 segment found by the 5 best proposals, 1 by all 7" in index
    assert index.count('class="bar-at"') == 1 + 5  # the segment, and proposals without a fit
    assert index.count('class="bar-at fits"') == 1
    assert "rank 7</span>" in index
    index = written(tmp_path, replace(one, proposals=[(4.0, 10.0, 0.9)]))["index.html"]
    assert "1 of 1 segment found by the 5 best proposals</p>" in index
    assert "rank 1" not in index


def test_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    for page in written(tmp_path, video("one"), video("two")).values():
        assert not re.findall(r"(?:src|href)=\"(?!data:|[\w.-]+\.html\")", page)
        assert "default-src 'none'" in page
        assert "prefers-color-scheme: dark" in page


def test_pages_lead_to_one_another(tmp_path: Path) -> None:
    pages = written(tmp_path, video("one"), video("two"), video("three"))
    assert set(pages) == {"one.html", "two.html", "three.html", "index.html"}
    assert 'href="one.html">Previous' in pages["two.html"]
    assert 'href="three.html">Next' in pages["two.html"]
    assert "Previous" not in pages["one.html"]
    assert all(f'href="{name}.html"' in pages["index.html"] for name in ("one", "two", "three"))
    assert "66.1%" in pages["index.html"]


def test_without_pictures_and_segments(tmp_path: Path) -> None:
    page = written(tmp_path, video(with_pictures=False, segments=False))["one.html"]
    assert "No segments are annotated" in page
    assert "<img" not in page


def test_names_of_any_kind_have_files_of_their_own() -> None:
    names = [file_name(name) for name in ("plain-1.x", "a b", "a_b", "índex", "index", "\udcff")]
    assert names[0] == "plain-1.x.html"
    assert len(set(names)) == 6
    assert "index.html" not in names
    assert all(re.fullmatch(r"[\w.-]+\.html", name, re.ASCII) for name in names)


def test_pages_of_some_at_equal_distances() -> None:
    assert PAGES.chosen(["a", "b"]) == ["a", "b"]
    assert PAGES.chosen([str(number) for number in range(10)]) == ["0", "2", "5", "7"]


def test_small_parts() -> None:
    assert tiou((0.0, 2.0), (1.0, 3.0)) == pytest.approx(1 / 3)
    assert tiou((0.0, 1.0), (2.0, 3.0)) == 0.0
    assert curve_points([], share=1.0) == ""
    hues = label_hues(["b", "a", "b", "c"])
    assert list(hues) == ["a", "b", "c"]
    assert len(set(hues.values())) == 3


@pytest.mark.parametrize("options", [{"proposals": 0, "videos": 3}, {"proposals": 3, "videos": 0}])
def test_figures_out_of_range_are_told(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"page\.proposals"):
        LocalizationPages(**options)
