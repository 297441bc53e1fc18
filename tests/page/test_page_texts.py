"""Words, map and phone layout of the page of neighbors in a browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.page.sample_page import CLASSES, sample_page

from vclr_pl.report.retrieval_page import ClassRecall, Confusion

Opened = Callable[..., Any]


def test_a_similarity_below_the_threshold_comes_through_another_video(opened: Opened) -> None:
    content = sample_page(queries=1, judged=False, neighbors=2)  # similarities 0.98 and 0.97
    page = opened(replace(content, pairs=True, points=(), least_similarity=0.975))
    assert page.locator(".verdict").all_text_contents() == ["0.980", "through another video0.970"]
    assert page.locator(".rest > .kind").text_content() == "Similar: look before you remove"


def test_the_map_says_filled_only_where_some_videos_are_no_queries(opened: Opened) -> None:
    content = sample_page(queries=4, gallery=4)
    hint = "document.querySelector('#map-panel .hint').textContent"
    assert "Filled: queries." in opened(content).evaluate(hint)
    every = [replace(point, is_query=True) for point in content.points]
    assert "Filled" not in opened(replace(content, points=every)).evaluate(hint)


def test_the_map_has_classes_where_they_are_known(opened: Opened) -> None:
    content = replace(sample_page(queries=4, gallery=4), recall=(), confusion=())
    assert opened(content).locator("#legend button").count() == len(CLASSES)
    unknown = [replace(video, class_number=-1) for video in content.videos]
    page = opened(replace(content, videos=unknown))
    assert page.locator("#legend button").count() == 0
    assert "classes" not in page.locator("#map-panel .hint").text_content()


def test_segments_are_called_segments(opened: Opened) -> None:
    page = opened(replace(sample_page(queries=4, gallery=4), what="segments"))
    assert page.locator("#tab-videos").text_content() == "Segments"
    assert "segments have frames" in page.locator("details.about").last.text_content()


def test_a_matrix_on_a_phone_fits_or_fades(opened: Opened) -> None:
    def of_classes(number: int) -> Any:
        every = range(number)
        names = [f"a class with a long name {label}" for label in every]
        content = replace(sample_page(), class_names=names, recall=[ClassRecall(label, 2, 15) for label in every])
        page = opened(replace(content, confusion=[Confusion(label, label, 2) for label in every]), width=390)
        page.click("#tab-classes")
        return page

    page = of_classes(10)
    assert page.locator(".scroll").evaluate("box => box.scrollWidth <= box.clientWidth")
    page = of_classes(30)
    page.wait_for_selector(".scroll.more")
    page.locator(".scroll").evaluate("box => { box.scrollLeft = 10000; }")
    page.wait_for_selector(".scroll:not(.more)")


def test_a_phone_shows_no_keys_and_a_small_sign(opened: Opened) -> None:
    page = opened(sample_page(), width=390)
    assert not page.locator("footer .keys").is_visible()
    sign = page.locator(".card .sign").first
    assert sign.text_content() == "▶"
    assert page.locator(".card .film").first.get_attribute("aria-label").startswith("Play ")
    assert sign.bounding_box()["width"] < page.locator(".card .film").first.bounding_box()["width"] / 5
