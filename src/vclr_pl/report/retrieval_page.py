"""The page to look at a retrieval: one HTML file that opens from a disk, with its pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import jinja2

from vclr_pl.types import InputError

FOLDER = "page"
BYTES_PER_MEGABYTE = 1_000_000


class VideoPictures(Protocol):
    """A strip of frames side by side, and an animation (empty for none), both WebP."""

    strip: bytes
    preview: bytes
    frames: int
    width_pixels: int
    height_pixels: int


@dataclass(frozen=True)
class PageVideo:
    """A video that the page shows. `class_number` is -1 where it has no label."""

    name: str
    class_number: int
    pictures: VideoPictures | None


@dataclass(frozen=True)
class PageRow:
    """A query and its nearest videos, by their place in the page's list; similarities are cosines, nearest first."""

    video: int
    neighbors: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class MapPoint:
    """Where a video stands on the map, 0 to 1 both ways."""

    x: float
    y: float
    video: int
    is_query: bool


@dataclass(frozen=True)
class Figure:
    """A number at the top of the page."""

    name: str
    value: str
    interval: str = ""
    headline: bool = True  # the others are folded away


@dataclass(frozen=True)
class RetrievalPage:
    """All that the page says. `recall` holds (class, right, all) and `confusion` (class, class of the nearest, count), over all
    queries, also those that have no row."""

    title: str
    lead: str
    videos: Sequence[PageVideo]
    rows: Sequence[PageRow]
    class_names: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    points: Sequence[MapPoint] = ()
    map_note: str = ""
    recall: Sequence[tuple[int, int, int]] = ()
    confusion: Sequence[tuple[int, int, int]] = ()
    pairs: bool = False
    roles: tuple[str, str] = field(default=("in the gallery", "query"))


def render(page: RetrievalPage, *, maximum_megabytes: float) -> str:
    """The page's HTML. Strips always go in; previews of the rows' videos do as long as the pictures stay below `maximum_megabytes`.

    Whatever names the videos and classes have, they are shown as text: the template escapes them, the script sets no markup.

    Raises:
        InputError: when the limit is not above 0.
    """
    if maximum_megabytes <= 0:
        raise InputError(expected="page.maximum_megabytes above 0", got=str(maximum_megabytes), remedy="Set page.maximum_megabytes=30.")
    media, previews = _media(page, limit_bytes=maximum_megabytes * BYTES_PER_MEGABYTE)
    size = sum(len(text) for text in media.values()) / BYTES_PER_MEGABYTE
    wanted = sum(1 for video in page.videos if video.pictures is not None and video.pictures.preview)
    told = f"Pictures take {size:.1f} MB of this file (limit {maximum_megabytes:g} MB); {len(previews)} of {wanted} videos have a preview."
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_text("page.html.jinja"))
    return template.render(
        title=page.title,
        lead=page.lead,
        figures=page.figures,
        notes=[*page.notes, told],
        classes=list(page.class_names),
        filterable=any(page.videos[row.video].class_number >= 0 for row in page.rows),
        judged=bool(page.recall),
        pairs=page.pairs,
        mapped=bool(page.points),
        map_note=page.map_note,
        footer="Made by vclr_pl. Nothing on this page comes from the network.",
        media=[{"key": key, "base64": text} for key, text in media.items()],
        data=_data(page, media),
        style=_text("page.css"),
        script=_text("page.js"),
    )


def write_page(page: RetrievalPage, path: Path, *, maximum_megabytes: float) -> None:
    """Write `render`'s HTML, replacing the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.unfinished")
    draft.write_text(render(page, maximum_megabytes=maximum_megabytes), encoding="utf-8")
    draft.replace(path)


def _media(page: RetrievalPage, *, limit_bytes: float) -> tuple[dict[str, str], set[int]]:
    """base64 by the id of its element, and the videos whose preview fits, in the order in which rows show them."""
    media = {f"s{place}": _base64(video.pictures.strip) for place, video in enumerate(page.videos) if video.pictures is not None}
    used = sum(map(len, media.values()))
    shown = [place for row in page.rows for place in (row.video, *(neighbor for neighbor, _ in row.neighbors))]
    previews: set[int] = set()
    for place in dict.fromkeys([*shown, *range(len(page.videos))]):
        pictures = page.videos[place].pictures
        if pictures is None or not pictures.preview:
            continue
        text = _base64(pictures.preview)
        if used + len(text) <= limit_bytes:
            used += len(text)
            media[f"p{place}"] = text
            previews.add(place)
    return media, previews


def _data(page: RetrievalPage, media: Mapping[str, str]) -> dict[str, Any]:
    def described(place: int, video: PageVideo) -> list[Any]:
        pictures = video.pictures
        keys = [key if key in media else None for key in (f"s{place}", f"p{place}")]
        size = [0, 4, 3] if pictures is None else [pictures.frames, pictures.width_pixels, pictures.height_pixels]
        return [_shown(video.name), video.class_number, *keys, *size]

    return {
        "videos": [described(place, video) for place, video in enumerate(page.videos)],
        "rows": [[row.video, [[place, round(similarity, 6)] for place, similarity in row.neighbors]] for row in page.rows],
        "classes": list(page.class_names),
        "judged": bool(page.recall),
        "pairs": page.pairs,
        "points": [[round(point.x, 4), round(point.y, 4), point.video, int(point.is_query)] for point in page.points],
        "recall": [list(entry) for entry in page.recall],
        "confusion": [list(entry) for entry in page.confusion],
        "roles": list(page.roles),
    }


def _shown(name: str) -> str:
    """A file name's undecodable bytes as the replacement character: JSON and HTML hold text."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _text(name: str) -> str:
    return resources.files("vclr_pl.report").joinpath(FOLDER, name).read_text(encoding="utf-8")
