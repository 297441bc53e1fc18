"""The documentation site, opened from the disk without a network: it fits wide and narrow windows, its search works, it loads nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("index", "method", "planning", "gallery", "paper_tables", "own_videos", "data", "api/index", "api/objective", "source/conf")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="pip install mkdocs-material 'mkdocstrings[python]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={folder}"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def opened(browser: Any, site: Path) -> Iterator[Callable[..., Any]]:
    """`opened(page, width=, theme=)`: a page of the site, whose console was silent and whose network untouched when the test ends."""
    contexts, complaints = [], []

    def open_page(name: str, *, width: int, theme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else complaints.append(request.url))
        page.goto((site / f"{name}.html").as_uri())
        page.wait_for_selector("h1")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("width", [1240, 390])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_the_window_and_shows_its_pictures(opened, name, width):
    page = opened(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)") == []


@pytest.mark.parametrize(("theme", "is_dark"), [("light", False), ("dark", True)])
def test_the_theme_is_that_of_the_system(opened, theme, is_dark):
    background = opened("index", width=1240, theme=theme).evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", background))) < 64) == is_dark


def test_the_search_works_from_the_disk(opened):
    page = opened("index", width=1240)
    page.locator("input.md-search__input").click()
    page.keyboard.type("soft-NMS", delay=20)
    page.wait_for_selector(".md-search-result__item a")
    assert page.locator(".md-search-result__item a[href*='localization.html']").count() > 0


def test_the_public_api_is_documented(opened):
    import vclr_pl

    page = opened("api/index", width=1240)
    shown = {name for name in vclr_pl.__all__ if page.locator(f"[id='vclr_pl.{name}'], [id='vclr_pl.api.{name}']").count()}
    assert shown == {*vclr_pl.__all__} - {"__version__"}
