"""Draws retrieval_page.png, retrieval_classes.png and retrieval_map.png from the page of an evaluation of the demo.

python -m vclr_pl.train experiment=demo hydra.run.dir=runs/demo
python -m vclr_pl.evaluate encoder=runs/demo data=demo hydra.run.dir=runs/evaluated
python docs/images/screenshots.py runs/evaluated/retrieval.html

It needs the library Playwright, with its Chromium or with the one of the system, whose path is then the second argument.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

WIDTH, HEIGHT = 1240, 760
CARD_WIDTH, CARD_HEIGHT = 1000, 866  # of the window, for the pictures of one card
CARDS = {"classes": "#recall-panel", "map": "#map-panel"}  # view of the page: card
COLORS = 256


def draw(page: Page, source: Path) -> dict[str, bytes]:
    """PNGs by name."""
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.goto(source.resolve().as_uri())
    page.wait_for_timeout(1000)  # for the frames
    found = {"page": page.screenshot()}
    page.set_viewport_size({"width": CARD_WIDTH, "height": CARD_HEIGHT})
    for view, card in CARDS.items():
        page.click(f"#tab-{view}")
        page.wait_for_timeout(500)
        found[view] = page.locator(card).screenshot()
    return found


def main(source: Path, chromium: str | None) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        pictures = draw(browser.new_context(color_scheme="light", offline=True).new_page(), source)
        browser.close()
    for name, png in pictures.items():
        picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLORS)
        picture.save(Path(__file__).with_name(f"retrieval_{name}.png"), optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
