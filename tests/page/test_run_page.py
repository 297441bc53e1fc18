"""The page of a run in a browser: it follows its file while the run is alive, and keeps the reader's place."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.page.sample_page import HOSTILE
from tests.page.sample_run import ended_run, sample_curves, sample_run

from vclr_pl.report.run_page import RunPage, write_run_page

Opened = Callable[..., Any]
FAST = 0.3  # seconds between two reloads
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture
def shown(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    """`shown(content, width=, theme=)`: the browser's page, whose console was silent and whose network untouched when the test ends."""
    contexts, complaints = [], []

    def show(content: RunPage, *, width: int = 1280, theme: str = "light") -> Any:
        write_run_page(content, tmp_path / "run.html")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else complaints.append(request.url))
        page.goto((tmp_path / "run.html").as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_it_opens_in_both_themes_and_on_a_phone(shown: Opened, artifacts: Path, theme: str, width: int) -> None:
    collapsed = sample_run(curves=sample_curves(collapsed=True), alarms={"inter_frame": [(90, 200)]})
    for name, content in (("running", sample_run()), ("ended", ended_run()), ("collapsed", collapsed)):
        page = shown(content, theme=theme, width=width)
        page.screenshot(path=artifacts / f"run_{name}_{theme}_{width}.png", full_page=True)
        assert page.evaluate(FITS), name
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(int(part) for part in ground[4:-1].split(",")) > 384) == (theme == "light")
        assert page.locator(".sample img").first.evaluate("image => image.complete && image.naturalWidth > 0")
    assert page.locator(".alarm").count() == 1
    assert page.locator("rect.alarmed").count() == 1


def test_a_running_page_follows_its_file_and_keeps_the_place(shown: Opened, tmp_path: Path) -> None:
    page = shown(sample_run(reload_seconds=FAST))
    page.locator("#numbers summary").click()
    page.locator(".copy").focus()
    page.evaluate("window.scrollTo(0, 700)")
    before = page.evaluate("window.scrollY")
    write_run_page(sample_run(reload_seconds=100.0, detail="Step 201 of 500."), tmp_path / "run.html")
    page.wait_for_selector("text=Step 201 of 500.", timeout=5000)
    page.wait_for_function("document.querySelector('#numbers').open")
    assert abs(page.evaluate("window.scrollY") - before) < 2
    assert page.evaluate("document.activeElement.className") == "copy"
    assert "reloads itself every" in page.locator("#written").text_content()


def loads(page: Any) -> bool:
    """Whether the page is loaded again in the time of several reloads."""
    loaded: list[int] = []
    page.on("load", lambda _: loaded.append(1))
    page.wait_for_timeout(4000 * FAST)
    return bool(loaded)


def test_on_a_phone_the_navigation_and_the_options_are_whole(shown: Opened) -> None:
    page = shown(ended_run(), width=390)
    assert page.evaluate("[...document.querySelectorAll('nav a')].every(link => link.getBoundingClientRect().right <= innerWidth)")
    assert page.evaluate("(table => table.scrollWidth <= table.clientWidth)(document.querySelector('#results .scroll'))")
    label = "getComputedStyle(document.querySelectorAll('#options tbody td')[1], '::before').content"
    assert page.evaluate(label) in ('"experiment: "', 'attr(data-label) ": "', '"experiment" ": "')


def test_an_ended_page_does_not_reload(shown: Opened) -> None:
    page = shown(ended_run(reload_seconds=FAST))
    assert not loads(page)
    assert page.locator(".live").is_hidden()


def test_it_stops_with_the_run(shown: Opened, tmp_path: Path) -> None:
    page = shown(sample_run(reload_seconds=FAST))
    write_run_page(ended_run(reload_seconds=FAST), tmp_path / "run.html")
    page.wait_for_selector("text=Ended after 500 steps.", timeout=5000)
    assert not loads(page)


def test_a_page_of_a_run_that_was_killed_says_so_and_does_not_reload(shown: Opened) -> None:
    content = sample_run(reload_seconds=FAST)
    page = shown(replace(content, state=replace(content.state, written=time.time() - 7200)))
    assert not loads(page)
    assert page.locator("#written").text_content().startswith("Not written for 2 h:")


def test_reloading_can_be_paused_and_stays_so(shown: Opened) -> None:
    page = shown(sample_run(reload_seconds=FAST))
    page.click("#pause")
    assert not loads(page)
    with page.expect_event("load"):
        page.click("#again")
    assert page.locator("#pause").get_attribute("aria-pressed") == "true"
    assert not loads(page)
    page.click("#pause")
    assert loads(page)


def test_hostile_names_are_text(shown: Opened) -> None:
    page = shown(sample_run())
    assert page.locator(".sample h3").all_text_contents() == list(HOSTILE[:3])
    assert page.locator("#broken tbody th").all_text_contents() == [name.replace("\udce9", "\\xe9") for name in HOSTILE[3:]]
    assert page.evaluate("window.broken_in") is None
    assert page.locator("#options code").first.text_content() == "data.root='my <b>videos</b>' trainer.max_epochs=3"


def test_the_value_under_the_pointer_is_read(shown: Opened) -> None:
    content = sample_run(curves={"train/loss": [(step, float(step)) for step in range(101)]})
    page = shown(content)
    box = page.locator(".field").first.bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 20)
    assert page.locator(".now").first.text_content() == "step 25: 25"
    page.mouse.move(2, 2)
    assert page.locator(".now").first.text_content() == "last 100"


def test_the_keyboard_reaches_everything_and_shows_where_it_is(shown: Opened) -> None:
    page = shown(sample_run())
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle].join(' ')"))
        if page.evaluate("document.activeElement.className") == "copy":
            break
    assert seen[0] == "A solid"
    assert {"BUTTON solid", "SUMMARY solid", "DIV solid", "PRE solid"} <= set(seen)
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(heading => Number(heading.tagName[1]))")
    assert levels[0] == 1
    assert all(next_one - level <= 1 for level, next_one in itertools.pairwise(levels))
