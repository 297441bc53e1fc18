"""The figure of an ablation: its marks, bars, colors, texts, and what is left out."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from tests.unit.report.miniature_ablation import cells, record

from vclr_pl.report.ablation import Ablation, Cell, ablation
from vclr_pl.report.ablation_figure import WIDTH, ablation_svg, figure_in_words
from vclr_pl.report.outcomes import of_segments

SVG = "{http://www.w3.org/2000/svg}"


def drawn(found: Ablation) -> ElementTree.Element:
    return ElementTree.fromstring(ablation_svg(found))


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def groups(root: ElementTree.Element) -> list[tuple[str, ElementTree.Element]]:
    return [(group.get("class", ""), group) for group in root.iter(f"{SVG}g")]


def test_each_task_has_a_panel_with_the_reference_and_chance() -> None:
    found = ablation(cells(), reference="VCLR")
    shown = texts(drawn(found))
    level = {task: found.of(task, "VCLR", "").means["retrieval_r1"].value for task in found.tasks}  # type: ignore[union-attr]
    axis = "points of retrieval R@1"
    assert [text for text in shown if "retrieval" in text] == ["order: retrieval R@1", axis, "shape: retrieval R@1", axis]
    for task in found.tasks:
        assert f"VCLR {level[task]:.1f}, chance 25.0" in shown
    assert shown[:2] == ["Difference from VCLR, in points", "Bars: 95% interval over 3 seeds and their videos."]
    assert shown.count("third") == 2
    assert shown.count("-") == 1  # its result on `order`


def test_marks_and_bars_are_at_their_points() -> None:
    """Zero and another tick give the scale."""
    found = ablation(cells(), reference="VCLR")
    root = drawn(found)
    ticks = {
        float(element.text): float(element.get("x", ""))
        for element in root.iter(f"{SVG}text")
        if "middle" in element.get("class", "") and element.text
    }
    other = max(ticks, key=abs)
    scale = (ticks[other] - ticks[0.0]) / other
    differences = [cell.differences["retrieval_r1"] for cell in found.cells if cell.differences]
    assert [style for style, _ in groups(root)] == ["", "up", "down"]
    for (_, group), of in zip(groups(root), differences, strict=True):
        (bar,), (mark,) = group.iter(f"{SVG}line"), group.iter(f"{SVG}circle")
        assert of.low is not None
        assert of.high is not None
        assert float(mark.get("cx", "")) == pytest.approx(ticks[0.0] + scale * of.value, abs=0.2)
        assert float(bar.get("x1", "")) == pytest.approx(ticks[0.0] + scale * of.low, abs=0.2)
        assert float(bar.get("x2", "")) == pytest.approx(ticks[0.0] + scale * of.high, abs=0.2)
        assert f"{of.value:+.1f}" in texts(root)


def two_measures() -> Ablation:
    """R@1 with differences of tens of points, and AUC with differences of one point."""
    of_auc = []
    for name, value in {"VCLR": 0.700, "SeCo": 0.711, "third": 0.692}.items():
        outcomes = of_segments({"auc": [value, value]}, weights={"a": 1, "b": 1}, drawn_by="set")
        of_method = replace(record("", outcomes=outcomes, chance={}), metrics={"auc": 100 * value})
        of_auc.append(Cell(task="untrimmed", method=name, seed=0, record=of_method))
    return ablation([*cells(), *of_auc], reference="VCLR", resamples=100)


def test_each_measure_has_an_axis() -> None:
    """The axis of R@1 is common to its panels; a point of AUC is as long as tens of points of R@1."""
    root = drawn(two_measures())
    shown = texts(root)
    assert "Each measure has an axis of its own." in shown
    assert (shown.count("points of retrieval R@1"), shown.count("points of AUC")) == (2, 1)
    rows: dict[str, dict[str, str]] = {}
    for element in root.iter(f"{SVG}text"):
        if "middle" in element.get("class", ""):
            rows.setdefault(element.get("y", ""), {})[element.text or ""] = element.get("x", "")
    first, second, auc = rows.values()
    assert first == second != auc
    assert max(abs(float(tick)) for tick in first) >= 20
    assert max(abs(float(tick)) for tick in auc) <= 1.5
    marks = [float(mark.get("cx", "")) for mark in root.iter(f"{SVG}circle")][-2:]
    assert abs(marks[0] - marks[1]) > 150


@pytest.mark.parametrize("found", [ablation(cells(), reference="VCLR", resamples=100), two_measures()])
def test_everything_is_within_the_picture(found: Ablation) -> None:
    root = drawn(found)
    height = float(root.get("height", ""))
    for element in root.iter():
        for across in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.get(across, 0)) <= WIDTH
        for down in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.get(down, 0)) <= height


def test_it_is_described_in_words_and_follows_dark_mode() -> None:
    found = ablation(cells(), reference="VCLR")
    root = drawn(found)
    words = root.findtext(f"{SVG}desc")
    assert words == figure_in_words(found)
    assert re.search(r"order, retrieval R@1: SeCo [+-]\d+\.\d \(-?\d+\.\d to -?\d+\.\d\), third no result; shape", words)
    assert root.get("role") == "img"
    assert "prefers-color-scheme:dark" in ablation_svg(found)


def test_the_second_pooling_has_hollow_marks() -> None:
    given = [replace(cell, pooling=pooling) for cell in cells() for pooling in ("mean", "three segments")]
    root = drawn(ablation(given, reference="VCLR", resamples=50))
    assert [mark.get("class") for mark in root.iter(f"{SVG}circle")] == ["mark m0", "mark m1"] * 3
    assert "Marks: filled for mean, hollow for three segments." in texts(root)
    assert any(re.fullmatch(r"VCLR [\d.]+ \(mean\), [\d.]+ \(three segments\), chance 25.0", text) for text in texts(root))


def test_results_without_a_pooling_stand_beside_those_of_poolings() -> None:
    """Localization has none: no parentheses, and a filled mark."""
    given = [replace(cell, pooling=pooling) for cell in cells() if cell.task == "shape" for pooling in ("mean", "three segments")]
    given = [*(cell for cell in cells() if cell.task == "order"), *given]
    root = drawn(ablation(given, reference="VCLR", resamples=50))
    assert [mark.get("class") for mark in root.iter(f"{SVG}circle")] == ["mark m0", *["mark m0", "mark m1"] * 2]
    assert "Marks: filled for mean, hollow for three segments." in texts(root)
    assert any(re.fullmatch(r"VCLR [\d.]+, chance 25.0", text) for text in texts(root))
    assert "()" not in "".join(texts(root))


def test_names_are_shortened_and_escaped() -> None:
    name = "<b>a method with a long name</b>"
    given = [Cell(task="a & b", method=method, seed=0, record=record("0110")) for method in ("VCLR", name)]
    root = drawn(ablation(given, reference="VCLR", resamples=10))
    (label,) = (element for element in root.iter(f"{SVG}text") if (element.findtext(f"{SVG}title") or "") == name)
    assert len("".join(label.itertext()).removeprefix(name)) <= 20
    assert "a & b: retrieval R@1" in texts(root)


def test_values_without_intervals_have_marks_alone() -> None:
    given = [Cell(task="t", method=name, seed=0, record=replace(record(text), outcomes={})) for name, text in (("a", "00"), ("b", "11"))]
    (group,) = (of for _, of in groups(drawn(ablation(given, reference="a"))))
    assert list(group.iter(f"{SVG}line")) == []
    assert len(list(group.iter(f"{SVG}circle"))) == 1
