"""The page of compared encoders: what stands in it, and that it runs nothing and loads nothing."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.unit.report.test_compared_encoders import comparison

from vclr_pl.report.encoders_page import encoders_html


def test_the_page_has_the_table_the_charts_and_all_metrics() -> None:
    page = encoders_html(comparison())
    assert '<small class="above">▲ +10.0 (2.0 to 18.0)</small>' in page
    assert '<small class="">0.0' not in page
    assert "retrieval R@5" in page.partition("All metrics")[2]
    assert "retrieval R@5" not in page.partition("All metrics")[0]
    (chart,) = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert "<span>50</span><span>chance 10.0</span><span>80</span>" in chart  # from 55 to 75, in steps of 10
    assert re.findall(r'<i style="left:([\d.]+)%;width:([\d.]+)%">', chart) == [("16.67", "33.33"), ("50.0", "33.33")]
    assert re.findall(r'<em style="left:([\d.]+)%">', chart) == ["33.33", "66.67"]
    assert '<s style="left' not in chart  # chance is not on the axis
    assert "kept" in page
    assert "http:" not in page
    assert "<script" not in page


def test_names_are_escaped() -> None:
    found = comparison()
    page = encoders_html(replace(found, encoders=[replace(found.encoders[0], name="<b>"), found.encoders[1]]))
    assert page.count("&lt;b&gt;") > 3
    assert page.count("<b>") == page.count("</b>")


def test_without_metrics_the_encoders_are_described() -> None:
    found = comparison()
    bare = [replace(record, metrics={}, intervals={}, chance={}, skipped=["retrieval"]) for record in found.encoders]
    page = encoders_html(replace(found, encoders=bare, differences=[{}, {}]))
    assert "Not all of them have labels: retrieval skipped." in page
    assert "<figure" not in page
    assert "1,280" in page
