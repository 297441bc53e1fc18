"""Draws the part of a page that a CSS selector names: the pictures of start_from_weights.md and compare_encoders.md.

python docs/images/page_screenshot.py RUN_FOLDER/run.html docs/images/start_from_weights.png "#charts-4"
python docs/images/page_screenshot.py RUN_FOLDER/compare.html docs/images/compare_encoders.png main

It needs the library Playwright, with its Chromium or with the one of the system, whose path is then the fourth argument. The commands
that made the pages are below the pictures.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 1200, 900
COLORS = 256


def main(source: Path, picture: Path, selector: str, chromium: str | None) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(color_scheme="light", offline=True, viewport={"width": WIDTH, "height": HEIGHT}).new_page()
        page.goto(source.resolve().as_uri())
        page.wait_for_timeout(500)  # for the charts
        png = page.locator(selector).first.screenshot()
        browser.close()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLORS).save(picture, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else None)
