"""The HTML page of a retrieval: one file with embedded pictures, which opens from disk."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import jinja2

from vclr_pl.files import write_whole
from vclr_pl.text import readable
from vclr_pl.types import InputError

FOLDER = "page"
CROP_SIDES = ("left", "top", "width", "height")
BYTES_PER_MEGABYTE = 1_000_000
MEDIA_TAG = '<script type="text/plain" id=""></script>\n'


class VideoPictures(Protocol):
    """A strip of frames side by side, and an animation (empty for none), both WebP."""

    strip: bytes
    preview: bytes
    frames: int
    width_pixels: int
    height_pixels: int
    video_width_pixels: int
    video_height_pixels: int


@dataclass(frozen=True)
class PageVideo:
    """A video that the page shows. `class_number` is -1 without a label. `crop` is the part of its frames used by the encoder:
    left, top, width and height in fractions of the frame; None draws none. `part`: which part of its file it is; `address` opens that."""

    name: str
    class_number: int
    pictures: VideoPictures | None
    crop: tuple[float, float, float, float] | None = None
    part: str = ""
    address: str = ""


@dataclass(frozen=True)
class PageNeighbor:
    """A neighbor, by its position among the page's videos, and the cosine of its feature and the query's."""

    video: int
    similarity: float


@dataclass(frozen=True)
class PageRow:
    """A query, by its position among the page's videos, and its neighbors, nearest first."""

    query: int
    neighbors: tuple[PageNeighbor, ...]


@dataclass(frozen=True)
class MapPoint:
    """Position of a video on the map, 0 to 1 on both axes."""

    x: float
    y: float
    video: int
    is_query: bool


@dataclass(frozen=True)
class ClassRecall:
    """Recall at 1 of one class: number of queries whose nearest video has their class, and of all queries."""

    class_number: int
    right: int
    total: int


@dataclass(frozen=True)
class Confusion:
    """Number of queries of a class whose nearest video has another (or the same) class."""

    class_number: int
    nearest_class: int
    count: int


@dataclass(frozen=True)
class Figure:
    """A metric at the top of the page."""

    name: str
    value: str
    interval: str = ""
    headline: bool = True  # other metrics are collapsed
    explanation: str = ""


@dataclass(frozen=True)
class RetrievalPage:
    """Content of the page. The template uses its texts; the script reads `_data`, whose records have the field names.

    `recall` and `confusion` are over all queries, including those without a row.
    """

    title: str
    lead: str
    videos: Sequence[PageVideo]
    rows: Sequence[PageRow]
    class_names: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    view_note: str = ""  # the part of each frame used by the encoder
    points: Sequence[MapPoint] = ()
    map_note: str = ""
    recall: Sequence[ClassRecall] = ()
    confusion: Sequence[Confusion] = ()
    pairs: bool = False
    what: str = "videos"  # or segments of videos
    least_similarity: float = -1.0  # of pairs: a lower similarity comes through another video of the group


def render(page: RetrievalPage, *, maximum_megabytes: float) -> str:
    """The page's HTML. Pictures are added up to `maximum_megabytes`: strips first, in the order of the rows, then previews.

    Names of videos and classes are shown as text: the template escapes them, and the script inserts no markup.

    Raises:
        InputError: a limit that is not above 0.
    """
    if maximum_megabytes <= 0:
        raise InputError(expected="page.maximum_megabytes above 0", got=str(maximum_megabytes), hint="Set page.maximum_megabytes=30.")
    media = _media(page, limit_bytes=maximum_megabytes * BYTES_PER_MEGABYTE)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_text("page.html.jinja"))
    return template.render(
        title=readable(page.title),
        lead=readable(page.lead),
        figures=page.figures,
        view_note=readable(page.view_note),
        notes=[readable(note) for note in (*page.notes, _pictures_in_words(page, media, maximum_megabytes))],
        classes=[readable(name) for name in page.class_names],
        filterable=any(page.videos[row.query].class_number >= 0 for row in page.rows),
        judged=bool(page.recall),
        pairs=page.pairs,
        what=page.what,
        mapped=bool(page.points),
        some_asked=0 < sum(point.is_query for point in page.points) < len(page.points),
        colored=any(page.videos[point.video].class_number >= 0 for point in page.points),
        map_note=page.map_note,
        footer="Made by vclr_pl. This page loads nothing from the network.",
        media=[{"key": key, "base64": text} for key, text in media.items()],
        data=_data(page, media),
        style=_text("page.css"),
        script=_text("page.js"),
    )


def write_page(page: RetrievalPage, path: Path, *, maximum_megabytes: float) -> None:
    """Write `render`'s HTML atomically."""
    write_whole(path, render(page, maximum_megabytes=maximum_megabytes))


def _media(page: RetrievalPage, *, limit_bytes: float) -> dict[str, str]:
    """Pictures in base64 by the id of their element, as many as fit including tags; no preview without its strip."""
    in_rows = [position for row in page.rows for position in (row.query, *(neighbor.video for neighbor in row.neighbors))]
    shown = [(position, page.videos[position].pictures) for position in dict.fromkeys([*in_rows, *range(len(page.videos))])]
    strips = {f"s{position}": pictures.strip for position, pictures in shown if pictures is not None}
    previews = {f"p{position}": pictures.preview for position, pictures in shown if pictures is not None and pictures.preview}
    media, used = _fitting(strips, limit_bytes)
    if len(media) == len(strips):
        media |= _fitting(previews, limit_bytes - used)[0]
    return media


def _fitting(pictures: Mapping[str, bytes], limit_bytes: float) -> tuple[dict[str, str], int]:
    fitting, used = {}, 0
    for key, content in pictures.items():
        text = _base64(content)
        size = len(text) + len(MEDIA_TAG) + 2 * len(key)  # size of its element and of its key in the data
        if used + size <= limit_bytes:
            used += size
            fitting[key] = text
    return fitting, used


def _pictures_in_words(page: RetrievalPage, media: Mapping[str, str], maximum_megabytes: float) -> str:
    size = sum(len(text) for text in media.values()) / BYTES_PER_MEGABYTE
    readable = [video.pictures for video in page.videos if video.pictures is not None]
    strips, previews = (sum(key.startswith(kind) for key in media) for kind in "sp")
    return (
        f"Pictures take {size:.1f} MB of this file (limit {maximum_megabytes:g} MB); {strips} of {len(readable)} {page.what} have frames, "
        f"{previews} of {sum(bool(pictures.preview) for pictures in readable)} have a preview."
    )


def _data(page: RetrievalPage, media: Mapping[str, str]) -> dict[str, Any]:
    return {
        "videos": [_video(number, video, media) for number, video in enumerate(page.videos)],
        "rows": [_rounded(asdict(row)) for row in page.rows],
        "classes": [readable(name) for name in page.class_names],
        "judged": bool(page.recall),
        "pairs": page.pairs,
        "points": [_rounded(asdict(point)) for point in page.points],
        "recall": [asdict(entry) for entry in page.recall],
        "confusion": [asdict(entry) for entry in page.confusion],
        "least_similarity": page.least_similarity,
    }


def _video(number: int, video: PageVideo, media: Mapping[str, str]) -> dict[str, Any]:
    """A video in the data of the script: `strip` and `preview` are ids of pictures, `crop` is in percent of the frame."""
    about = {"name": readable(video.name), "class_number": video.class_number}
    about |= {key: text for key, text in (("part", video.part), ("address", video.address)) if text}
    pictures = video.pictures
    if pictures is None:
        return about  # a map has thousands of them
    strip, preview = (key if key in media else None for key in (f"s{number}", f"p{number}"))
    crop = None if video.crop is None else dict(zip(CROP_SIDES, (round(100 * part, 2) for part in video.crop), strict=True))
    size = {"frames": pictures.frames, "width": pictures.width_pixels, "height": pictures.height_pixels}
    return {**about, **size, "strip": strip, "preview": preview, "crop": crop}


def _rounded(value: Any) -> Any:
    """The records with at most 6 decimal places, for a small file."""
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return round(value, 6) if isinstance(value, float) else value


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _text(name: str) -> str:
    return resources.files("vclr_pl.report").joinpath(FOLDER, name).read_text(encoding="utf-8")
