"""Pages of made-up videos, with real WebP pictures and names as hostile as a disk allows."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vclr_pl.report.retrieval_page import ClassRecall, Confusion, Figure, MapPoint, PageNeighbor, PageRow, PageVideo, RetrievalPage

HOSTILE = (
    "<img src=x onerror=\"window.broken_in='name'\">.mp4",
    "</script><script>window.broken_in='script'</script>.mp4",
    "a&quot;onmouseover=window.broken_in=1 \u2028 '\"`${window.broken_in=1}`.mp4",
    "ünïcode \udce9 名前 🎬.mp4",
    "{{ 7*7 }}{% raw %}.mp4",
)
CLASSES = ("run", "<b>jump</b>", "</title><script>window.broken_in='class'</script>")


@dataclass(frozen=True)
class DrawnPictures:
    strip: bytes
    preview: bytes
    frames: int
    width_pixels: int
    height_pixels: int
    video_width_pixels: int = 640
    video_height_pixels: int = 480


def drawn_pictures(number: int, *, width: int = 64, height: int = 48) -> DrawnPictures:
    """A bar that moves over a ground of the video's own color."""
    pictures = []
    for frame in range(4):
        picture = np.full((height, width, 3), [40 + 37 * number % 180, 90 + 53 * number % 150, 60 + 71 * number % 170], np.uint8)
        picture[:, 8 + frame * 14 : 16 + frame * 14] = 245
        pictures.append(picture)
    strip, preview = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.concatenate(pictures, axis=1)).save(strip, "WEBP", quality=60)
    first, *rest = (Image.fromarray(picture) for picture in pictures)
    first.save(preview, "WEBP", save_all=True, append_images=rest, duration=300, loop=0, quality=60)
    return DrawnPictures(strip.getvalue(), preview.getvalue(), 4, width, height)


def sample_page(*, queries: int = 40, gallery: int = 30, judged: bool = True, pictures: int = 12, neighbors: int = 6) -> RetrievalPage:
    """Query q is of class q % 3; its nearest video is right unless q % 4 is 0. Its similarity falls with q."""
    drawn = [drawn_pictures(number) for number in range(pictures)]
    crop = (0.2, 0.05, 0.6, 0.9)
    names = [HOSTILE[number] if number < len(HOSTILE) else f"query/{number:05}.mp4" for number in range(queries)]
    names += [f"gallery/{number:05}.mp4" for number in range(gallery)]
    classes = [number % 3 if judged else -1 for number in (*range(queries), *range(gallery))]
    places = [*range(queries), *range(gallery)]
    videos = [PageVideo(name, label, drawn[place % pictures], crop) for name, label, place in zip(names, classes, places, strict=True)]
    rows, counts = [], {}
    for query in range(queries):
        nearest = next(near for near in range(query % 7, gallery) if (near % 3 == query % 3) == (query % 4 != 0))
        near = [nearest, *(other for other in range(gallery) if other != nearest)][:neighbors]
        similarities = [0.98 - query / (2 * queries) - 0.01 * rank for rank in range(len(near))]
        found = tuple(PageNeighbor(queries + other, similarity) for other, similarity in zip(near, similarities, strict=True))
        rows.append(PageRow(query, found))
        key = (query % 3, nearest % 3)
        counts[key] = counts.get(key, 0) + 1
    totals = {label: sum(count for (own, _), count in counts.items() if own == label) for label in range(3)}
    return RetrievalPage(
        title="Nearest videos",
        lead=f"{queries} queries, each with the most similar of {gallery} gallery videos.",
        videos=videos,
        rows=rows,
        class_names=CLASSES,
        figures=[Figure("retrieval R@1", "75.0%", "60.0 to 88.0"), Figure("kNN top-5", "99.0%", headline=False)],
        notes=["Encoder: <i>made up</i>"],
        view_note="The encoder receives only the outlined part of a frame: a <b>made up</b> crop.",
        points=[MapPoint((number * 37 % 101) / 100, (number * 61 % 97) / 96, number, number < queries) for number in range(len(videos))],
        map_note="Two directions.",
        recall=[ClassRecall(label, counts.get((label, label), 0), totals[label]) for label in range(3)] if judged else [],
        confusion=[Confusion(*key, count) for key, count in sorted(counts.items())] if judged else [],
    )
