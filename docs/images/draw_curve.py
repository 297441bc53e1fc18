"""Draws the losses of a run as SVG: `python docs/images/draw_curve.py runs/ucf101/.../metrics.csv docs/images/real_videos_curve.svg`."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator
from pathlib import Path

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 790, 380, 56, 200, 24, 46
CURVES = {  # column: (name, light color, dark color)
    "train/loss": ("total", "#1d2733", "#e6eaf0"),
    "train/loss_inter_frame": ("inter-frame", "#1668c7", "#6db1ff"),
    "train/loss_segment_contrast": ("segment", "#1a7f4b", "#5ed09a"),
    "train/loss_temporal_order": ("order", "#c05f00", "#ffb066"),
    "train/loss_intra_frame": ("intra-frame", "#8a3fb0", "#cf9bea"),
}
GUESSES = {
    "train/loss_temporal_order": ("log 4", math.log(4)),
    "train/loss_intra_frame": ("log 2", math.log(2)),
}  # losses of a random guess


def read(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Points (step, loss) of each curve."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("train/loss")]
    return {column: [(int(row["step"]) + 1, float(row[column])) for row in rows if row.get(column)] for column in CURVES}


def draw(curves: dict[str, list[tuple[int, float]]]) -> str:
    last = max(step for points in curves.values() for step, _ in points)
    top = max(loss for points in curves.values() for _, loss in points) * 1.05

    def place(step: float, loss: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * step / last
        return x, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * loss / top

    return "\n".join(["".join(_head()), *_axes(last, top, place), *_guesses(last, place), *_lines(curves, place), "</svg>"]) + "\n"


def _head() -> Iterator[str]:
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Losses over steps"><style>'
    yield '.page{fill:#fff}.axis{stroke:#aab4c0}text{fill:#1d2733;font:13px "Segoe UI","Helvetica Neue",Arial,"Liberation Sans",sans-serif}'
    yield "".join(f".c{place}{{stroke:{light}}}.t{place}{{fill:{light}}}" for place, (_, light, _) in enumerate(CURVES.values()))
    yield "@media (prefers-color-scheme:dark){.page{fill:#161b22}text{fill:#e6eaf0}"
    yield "".join(f".c{place}{{stroke:{dark}}}.t{place}{{fill:{dark}}}" for place, (_, _, dark) in enumerate(CURVES.values()))
    yield f'}}</style><rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'


def _axes(last: int, top: float, place) -> Iterator[str]:  # type: ignore[no-untyped-def]
    for loss in range(0, int(top) + 1, 2 if top < 20 else 5):
        (left, y), (right, _) = place(0, loss), place(last, loss)
        yield f'<line class="axis" x1="{left}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke-opacity="0.5"/>'
        yield f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{loss}</text>'
    for quarter in range(5):
        x, y = place(last * quarter / 4, 0)
        yield f'<text x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle">{round(last * quarter / 4)}</text>'
    yield f'<text x="{place(last / 2, 0)[0]:.1f}" y="{HEIGHT - 8}" text-anchor="middle">optimizer step</text>'
    yield f'<text transform="translate(16 {place(0, top / 2)[1]:.1f}) rotate(-90)" text-anchor="middle">loss</text>'


def _guesses(last: int, place) -> Iterator[str]:  # type: ignore[no-untyped-def]
    yield f'<text x="{LEFT + 200}" y="{TOP}">dashed: loss of a random guess</text>'
    for column, (_, loss) in GUESSES.items():
        (left, y), (right, _) = place(0, loss), place(last, loss)
        number = list(CURVES).index(column)
        yield f'<line class="c{number}" x1="{left}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke-dasharray="10 6"/>'


def _lines(curves: dict[str, list[tuple[int, float]]], place) -> Iterator[str]:  # type: ignore[no-untyped-def]
    taken: list[float] = []
    for number, (column, (name, _, _)) in enumerate(CURVES.items()):
        points = [place(step, loss) for step, loss in curves[column]]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline class="c{number}" points="{path}" fill="none" stroke-width="2"/>'
        label = points[-1][1] + 4
        while any(abs(label - other) < 16 for other in taken):
            label -= 4
        taken.append(label)
        guess = f", guess {GUESSES[column][0]}" if column in GUESSES else ""
        yield f'<text class="t{number}" x="{points[-1][0] + 8:.1f}" y="{label:.1f}">{name} {curves[column][-1][1]:.2f}{guess}</text>'


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(draw(read(Path(sys.argv[1]))))
