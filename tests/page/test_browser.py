"""The page in a browser, as a person uses it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.page.sample_page import CLASSES, HOSTILE, sample_page

from vclr_pl.report.retrieval_page import MapPoint, PageVideo

Opened = Callable[..., Any]


def names(page: Any) -> list[str]:
    return list(page.locator(".query .name").all_text_contents())


def count(page: Any) -> str:
    return str(page.locator("#count").text_content())


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_in_both_themes_and_on_a_phone(opened: Opened, artifacts: Path, theme: str, width: int) -> None:
    page = opened(sample_page(), theme=theme, width=width)
    page.screenshot(path=artifacts / f"retrieval_{theme}_{width}.png", full_page=False)
    page.click("#tab-classes")
    page.screenshot(path=artifacts / f"classes_{theme}_{width}.png", full_page=True)
    page.click("#tab-map")
    page.locator("#map-panel").screenshot(path=artifacts / f"map_{theme}_{width}.png")
    page.click("#tab-videos")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in ground[4:-1].split(",")) > 384) == (theme == "light")
    assert page.locator("h1").text_content() == "Nearest videos"
    assert page.locator(".film img").first.evaluate("image => image.complete && image.naturalWidth > 0")


def test_right_and_wrong_are_told_by_word_sign_and_line(opened: Opened) -> None:
    page = opened(sample_page())
    first, second = page.locator(".row").nth(0).locator(".card").first, page.locator(".row").nth(1).locator(".card").first
    assert (first.locator("b").text_content(), second.locator("b").text_content()) == ("✗ wrong", "✓ right")
    style = "card => getComputedStyle(card).borderTopStyle"
    assert (first.evaluate(style), second.evaluate(style)) == ("dashed", "solid")


def test_the_crop_is_drawn_on_every_frame_and_said(opened: Opened) -> None:
    """Its place in pixels is that of the page's data: left 20 %, top 5 %, 60 % wide, 90 % high."""
    page = opened(sample_page())
    note = page.locator(".view-note")
    assert note.text_content().strip() == "The encoder receives only the outlined part of a frame: a <b>made up</b> crop."
    assert note.is_visible()
    page.locator(".query .film").nth(1).click()
    frames = [page.locator(".query i").first, page.locator(".card .film").first, page.locator(".query .moving")]
    for frame in frames:
        around, crop = frame.bounding_box(), frame.locator(".crop").bounding_box()
        places = [(crop["x"] - around["x"]) / around["width"], (crop["y"] - around["y"]) / around["height"]]
        places += [crop["width"] / around["width"], crop["height"] / around["height"]]
        assert places == pytest.approx([0.2, 0.05, 0.6, 0.9], abs=0.01)
    assert page.locator(".query i").count() == page.locator(".query i .crop").count()
    page.locator(".query .film").nth(1).click()
    assert page.locator(".query .moving").count() == 0


def test_a_frame_that_is_seen_whole_has_no_outline(opened: Opened) -> None:
    content = sample_page()
    whole = [replace(video, crop=(0.0, 0.0, 1.0, 1.0)) for video in content.videos]
    page = opened(replace(content, videos=whole))
    assert page.locator(".crop").count() == 0


def test_filters_by_class_mistake_and_name(opened: Opened) -> None:
    page = opened(sample_page())
    assert count(page) == "40 queries"
    page.select_option("#class", label=CLASSES[1])
    assert count(page) == "13 of 40 queries"
    page.select_option("#mistake", "wrong")
    assert count(page) == "3 of 40 queries"  # 4, 16 and 28
    page.select_option("#class", "")
    assert count(page) == "10 of 40 queries"
    page.select_option("#mistake", "right")
    assert count(page) == "30 of 40 queries"
    page.select_option("#mistake", "")
    page.fill("#search", "00011")
    assert names(page) == ["query/00011.mp4"]
    page.fill("#search", "nowhere")
    assert page.locator(".none").text_content() == "No row matches the filters."


def test_sorting(opened: Opened) -> None:
    page = opened(sample_page())
    page.select_option("#sort", "far")
    assert names(page)[0] == "query/00039.mp4"
    page.select_option("#sort", "near")
    assert names(page)[0] == HOSTILE[0]


def test_a_preview_plays_and_stops(opened: Opened) -> None:
    page = opened(sample_page())
    film = page.locator(".card .film").first
    still = film.locator("img").get_attribute("src")
    film.click()
    assert film.get_attribute("aria-pressed") == "true"
    moving = film.locator("img").get_attribute("src")
    assert moving != still
    before = film.screenshot()
    deadline = time.monotonic() + 5
    while film.screenshot() == before and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert film.screenshot() != before or time.monotonic() < deadline
    film.click()
    assert film.locator("img").get_attribute("src") == still
    query = page.locator(".query .film").first
    query.click()
    assert query.locator("img").count() == 1
    query.click()
    assert query.locator("img").count() == 0
    page.click("#play")
    page.wait_for_function("document.querySelectorAll('.film[aria-pressed=true]').length > 3")
    page.click("#play")
    page.wait_for_function("document.querySelectorAll('.film[aria-pressed=true]').length === 0")


def test_the_keyboard_is_enough(opened: Opened) -> None:
    page = opened(sample_page())
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.dataset.row") == "1"
    page.keyboard.press("Enter")
    assert page.locator(".row").nth(1).locator(".query .film").get_attribute("aria-pressed") == "true"
    page.keyboard.press("m")
    assert count(page) == "10 of 40 queries"
    page.keyboard.press("/")
    page.keyboard.type("00012")
    assert names(page) == ["query/00012.mp4"]
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "BODY"


def test_bars_and_cells_lead_to_their_queries(opened: Opened) -> None:
    page = opened(sample_page())
    page.locator("#tab-videos").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#view-videos").is_hidden()
    assert page.locator(".recall .value").all_text_contents() == ["10 of 14", "10 of 13", "10 of 13"]
    page.locator(".recall").nth(2).click()
    assert count(page) == "13 of 40 queries"
    page.click("#tab-classes")
    cell = page.locator("#confusion td:not(.diagonal) button").first
    expected = cell.text_content()
    cell.click()
    assert count(page) == f"{expected} of 40 queries"


def test_the_map_shows_videos(opened: Opened) -> None:
    page = opened(sample_page())
    page.click("#tab-map")
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#tip .name").text_content()
    assert page.locator("#tip img").evaluate("image => image.naturalWidth > 0 || !image.complete")
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + 18 + 0.37 * (box["width"] - 36), box["y"] + 18 + (1 - 61 / 96) * (box["height"] - 36))
    assert page.locator("#tip .name").text_content() == HOSTILE[1]


def test_hostile_names_are_text(opened: Opened) -> None:
    page = opened(sample_page())
    assert names(page)[: len(HOSTILE)] == [name.replace("\udce9", "\\xe9") for name in HOSTILE]
    assert page.evaluate("window.broken_in") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("#class option").all_text_contents()[1:] == list(CLASSES)
    assert page.title() == "Nearest videos"


def test_rows_come_as_they_are_scrolled_to(opened: Opened) -> None:
    page = opened(sample_page(queries=200))
    assert page.locator(".row").count() < 60
    for _ in range(30):
        page.mouse.wheel(0, 8000)
        page.wait_for_timeout(30)
        if page.locator(".row").count() == 200:
            break
    assert page.locator(".row").count() == 200


def test_five_thousand_queries_open_within_three_seconds(opened: Opened) -> None:
    content = sample_page(queries=5000, gallery=5000)
    started = time.perf_counter()
    page = opened(content)
    whole = time.perf_counter() - started
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    print(f"5,000 queries: DOM ready after {timing:.0f} ms, written and opened within {whole:.2f} s")
    assert timing < 3000


def test_without_labels_nothing_is_judged(opened: Opened) -> None:
    page = opened(sample_page(judged=False))
    assert page.locator("#mistake, #recall-panel, #confusion-panel, #class").count() == 0
    assert page.locator(".card b").count() == 0
    assert page.locator(".card .verdict").first.text_content().startswith("1.")


def test_without_previews_strips_remain(opened: Opened) -> None:
    page = opened(sample_page(), megabytes=0.001)
    assert page.locator(".film img").count() > 0
    assert page.locator(".sign").count() == 0
    page.locator("details.about", has_text="How this was made").locator("summary").click()
    assert "0 of 70 have a preview" in page.locator("details.about").last.text_content()


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("neighbors", [1, 3, 6, 20])
def test_rows_fill_their_width(opened: Opened, width: int, neighbors: int) -> None:
    """Pictures and texts take three fifths of a row, and the longest line of cards ends at its right end."""
    page = opened(sample_page(neighbors=neighbors), width=width)
    row = page.locator(".row").nth(1)
    outer = row.bounding_box()
    boxes = [box.bounding_box() for box in [row.locator(".query"), *row.locator(".card").all()]]
    assert len(boxes) == 1 + neighbors
    assert sum(box["width"] * box["height"] for box in boxes) / (outer["width"] * outer["height"]) > 0.6
    assert max(box["x"] + box["width"] for box in boxes) == pytest.approx(outer["x"] + outer["width"], abs=16)
    assert min(box["x"] for box in boxes) == pytest.approx(outer["x"], abs=16)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_map_names_videos_without_a_picture_and_leads_to_rows(opened: Opened) -> None:
    content = sample_page(queries=3, gallery=30)
    unseen = PageVideo("elsewhere/unseen.mp4", 1, None)
    at = [MapPoint(0.0, 0.5, len(content.videos), False), MapPoint(1.0, 0.5, 1, True)]
    page = opened(replace(content, videos=[*content.videos, unseen], points=at))
    page.click("#tab-map")
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#tip .name").text_content() == "elsewhere/unseen.mp4"
    assert page.locator("#tip img").count() == 0
    page.keyboard.press("Enter")
    assert page.locator("#view-map").is_visible()  # it has no row
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator("#view-map").is_hidden()
    assert names(page) == [HOSTILE[1].replace("\udce9", "\\xe9")]


def test_a_map_of_five_thousand_videos_follows_the_pointer(opened: Opened) -> None:
    content = sample_page(queries=1, gallery=30)
    unseen = [PageVideo(f"elsewhere/{number:05}.mp4", number % 3, None) for number in range(5000)]
    points = [MapPoint(number % 71 / 70, number // 71 / 70, len(content.videos) + number, False) for number in range(5000)]
    page = opened(replace(content, videos=[*content.videos, *unseen], points=points))
    page.click("#tab-map")
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + 18, box["y"] + 18)
    assert page.locator("#tip .name").text_content() == f"elsewhere/{71 * 70:05}.mp4"
    median = page.evaluate(
        """() => { const map = document.getElementById("map"), box = map.getBoundingClientRect(), times = [];
        for (let step = 0; step < 21; step++) { const started = performance.now();
          map.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + 20 + 30 * step, clientY: box.top + 40}));
          times.push(performance.now() - started); } return times.sort((a, b) => a - b)[10]; }"""
    )
    print(f"5,000 points: {median:.1f} ms from one dot to the next")


def test_a_segment_opens_its_file_at_its_time(opened: Opened, tmp_path: Path) -> None:
    content = sample_page(queries=2, gallery=6)
    videos = [replace(video, part="4.0 s to 8.0 s", address="../my%20videos/a.mp4#t=4.000,8.000") for video in content.videos[2:]]
    page = opened(replace(content, videos=[*content.videos[:2], *videos]))
    link = page.locator(".card .part a").first
    assert link.text_content() == "4.0 s to 8.0 s"
    assert link.evaluate("link => link.href") == (tmp_path.parent / "my videos" / "a.mp4").as_uri() + "#t=4.000,8.000"
    assert page.locator(".query .part").count() == 0
    assert "Nearest segments" in page.locator(".rest .kind").first.text_content()
