"""The pages of localization in a browser: both themes, a phone's width, nothing asked of the network, and the way from page to page."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.unit.localization.test_page import PAGES, Pictures, video

from vclr_pl.localization.page import LocalizedVideo


def strip() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (1200, 72), (90, 120, 150)).save(stream, "WEBP")
    return stream.getvalue()


def localized(identity: str) -> LocalizedVideo:
    return LocalizedVideo(**{**vars(video(identity)), "pictures": Pictures(strip=strip())})


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_they_open_in_both_themes_and_on_a_phone(browser: Any, artifacts: Path, tmp_path: Path, theme: str, width: int) -> None:
    index = PAGES.write(tmp_path, [localized("one"), localized("a very_long_name_" * 8)], figures=[], notes=["made by hand"])
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else complaints.append(request.url))
    page.goto(index.as_uri())
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(fits)
    page.screenshot(path=artifacts / f"localization_index_{theme}_{width}.png")
    page.click('h2 a:text-is("one")')
    page.wait_for_url("**/one.html")
    assert page.evaluate(fits)
    assert page.locator(".strip").evaluate("image => image.complete && image.naturalWidth > 0")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in ground[4:-1].split(",")) > 384) == (theme == "light")
    page.screenshot(path=artifacts / f"localization_video_{theme}_{width}.png", full_page=True)
    timeline, scroller = (page.locator(name).bounding_box()["width"] for name in (".timeline", ".scroll"))
    assert timeline <= scroller  # the whole video, on a phone too
    page.click('a:text-is("Next")')
    page.click('a:text-is("All videos")')
    page.wait_for_url("**/index.html")
    context.close()
    assert complaints == []


def test_bars_stand_where_their_seconds_are(browser: Any, tmp_path: Path) -> None:
    PAGES.write(tmp_path, [localized("one")], figures=[], notes=[])
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto((tmp_path / "one.html").as_uri())
    bar, lane = (page.locator(name).first.bounding_box() for name in (".bar-at", ".lane"))
    assert (bar["x"] - lane["x"]) / lane["width"] == pytest.approx(4 / 40, abs=2e-3)
    assert bar["width"] / lane["width"] == pytest.approx(6 / 40, abs=2e-3)
    page.close()
