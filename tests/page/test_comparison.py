"""The comparison of runs in a browser: both themes, a phone's width, the keyboard, and nothing asked of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.report.test_compared_curves import run

from vclr_pl.report.compared_runs import read_runs
from vclr_pl.report.comparison_page import comparison_html


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    for seed in range(3):
        losses = [5.0 - 0.02 * step + seed for step in range(100)]
        run(tmp_path / "runs" / f"{seed}_{'long_name_' * 9}", seed=seed, losses=losses, knn=(10.0, 50.0 + seed))
    file = tmp_path / "comparison.html"
    file.write_text(comparison_html(read_runs([str(tmp_path / "runs")])), encoding="utf-8")
    return file


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_in_both_themes_and_on_a_phone(browser: Any, artifacts: Path, page_file: Path, theme: str, width: int) -> None:
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, offline=True).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("file:") else complaints.append(request.url))
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in ground[4:-1].split(",")) > 384) == (theme == "light")
    page.screenshot(path=artifacts / f"comparison_{theme}_{width}.png", full_page=True)
    assert complaints == []


def test_runs_are_switched_and_read_with_the_keyboard(browser: Any, page_file: Path) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True).new_page()
    page.goto(page_file.as_uri())
    page.focus("#run-1")
    page.keyboard.press("Space")
    assert [page.locator(f".plot >> nth=0 >> .run-{number}").is_visible() for number in range(3)] == [True, False, True]
    page.focus(".plot >> nth=0")
    page.keyboard.press("End")
    assert page.locator(".read").first.inner_text().splitlines() == [
        f"{value} {seed}_{'long_name_' * 9}: seed {seed} (step 100)" for value, seed in ((5.02, 2), (3.02, 0))
    ]
    page.keyboard.press("Escape")
    assert page.locator(".read").first.inner_text() == ""
