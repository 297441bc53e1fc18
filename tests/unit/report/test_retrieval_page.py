"""The file itself; how it works is tried in tests/page."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.page.sample_page import HOSTILE, drawn_pictures, sample_page

from vclr_pl.report.retrieval_page import render, write_page
from vclr_pl.types import InputError


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(html)
    return parser.found


def test_nothing_is_asked_of_a_network() -> None:
    html = render(sample_page(), maximum_megabytes=30)
    for tag, attributes in elements(html):
        assert tag not in ("link", "iframe", "object", "embed", "base", "img"), tag
        assert not {"src", "srcset", "onerror", "onload", "action"} & set(attributes)
    assert "default-src 'none'" in html
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_hostile_names_stay_inside_the_data() -> None:
    html = render(sample_page(), maximum_megabytes=30)
    assert "<script>window.broken_in" not in html
    assert "<img src=x" not in html
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert [video["name"] for video in json.loads(data.group(1))["videos"]][:2] == list(HOSTILE[:2])
    assert len([1 for tag, _ in elements(html) if tag == "script"]) == 2 + html.count('type="text/plain"')


def test_previews_go_in_by_rows_until_the_limit() -> None:
    page = sample_page(queries=6, gallery=8)
    tag = len('<script type="text/plain" id="s10"></script>\n') + 3
    strips = sum(len(base64.b64encode(video.pictures.strip)) + tag for video in page.videos if video.pictures is not None)
    preview = max(len(base64.b64encode(drawn_pictures(number).preview)) for number in range(12))
    html = render(page, maximum_megabytes=(strips + 3 * (preview + tag)) / 1e6)
    kept = re.findall(r'id="p(\d+)"', html)
    assert 3 <= len(kept) < 14
    assert {"0", str(page.rows[0].neighbors[0].video)} <= set(kept)
    assert f"14 of 14 videos have frames, {len(kept)} of 14 have a preview" in html
    assert len(re.findall(r'id="s\d+"', html)) == 14


def test_strips_go_too_when_the_limit_is_reached() -> None:
    page = sample_page(queries=6, gallery=8)
    bare = len(render(page, maximum_megabytes=1e-6).encode())
    held = []
    for limit_bytes in (500, 3_000, 6_000, 12_000, 100_000):
        html = render(page, maximum_megabytes=limit_bytes / 1e6)
        assert len(html.encode()) <= bare + limit_bytes + 20  # the sentence that tells of it counts in longer numbers
        strips, previews = (len(re.findall(rf'id="{kind}\d+"', html)) for kind in "sp")
        assert f"{strips} of 14 videos have frames, {previews} of 14 have a preview" in html
        assert previews == 0 or strips == 14
        held.append(strips + previews)
    assert held == sorted(held)
    assert held[0] < held[1] < held[-1] == 28


def test_names_that_are_no_text() -> None:
    page = sample_page(queries=2, gallery=2)
    odd = "caf\udce9"
    html = render(
        replace(page, class_names=(odd, *page.class_names[1:]), notes=(f"Encoder: {odd}",), lead=odd, title=odd), maximum_megabytes=30
    )
    html.encode("utf-8")
    assert "Encoder: caf\\xe9" in html
    assert ">caf\\xe9</option>" in html
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert json.loads(data.group(1))["classes"][0] == "caf\\xe9"


def test_a_video_without_pictures_and_a_page_without_rows(tmp_path: Path) -> None:
    page = sample_page(queries=0, gallery=0)
    write_page(page, tmp_path / "deep" / "page.html", maximum_megabytes=1)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["page.html"]
    with pytest.raises(InputError, match="maximum_megabytes"):
        render(page, maximum_megabytes=0)
