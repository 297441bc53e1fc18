"""Content of the page of nearest videos.

Legend: N videos, F features, G gallery videos, Q queries, K neighbors, C classes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from vclr_pl.evaluation.neighbor_search import Neighbors
from vclr_pl.files import evenly_spaced, write_csv
from vclr_pl.report.feature_map import Place, feature_map, mapped_places
from vclr_pl.report.retrieval_page import (
    ClassRecall,
    Confusion,
    MapPoint,
    PageNeighbor,
    PageRow,
    PageVideo,
    RetrievalPage,
    VideoPictures,
)
from vclr_pl.types import FeatureTable, InputError, VideoSegment

NEIGHBOR_COLUMNS = ("query", "rank", "neighbor", "similarity", "query_class", "neighbor_class")
SEGMENT_COLUMNS = ("start_seconds", "end_seconds", "first_frame", "end_frame")


def write_neighbors(
    path: Path,
    *,
    gallery: FeatureTable,
    query: FeatureTable,
    found: Neighbors,
    segments: Mapping[str, Sequence[VideoSegment]] | None = None,
) -> None:
    """NEIGHBOR_COLUMNS, one line per neighbor, nearest first; unknown classes are empty.

    Args:
        segments: of the tables that hold segments, by index of the list. SEGMENT_COLUMNS of the neighbor follow, then those of the query.
    """
    parts = [(name, segments[role]) for role, name in ((GALLERY, ""), (QUERY, "query_")) if segments and role in segments]
    tables = {"": gallery, "query_": query}
    lines = (
        (
            *(query.path[row], rank, gallery.path[near], f"{similarity:.6f}", class_name(query, row), class_name(gallery, near)),
            *(column for name, list_ in parts for column in _segment_columns(tables[name], row if name else near, list_)),
        )
        for row in range(len(query))
        for rank, (near, similarity) in enumerate(_nearest(found, row, found.index.shape[1]), 1)
    )
    write_csv(path, (*NEIGHBOR_COLUMNS, *(name + column for name, _ in parts for column in SEGMENT_COLUMNS)), lines)


def _segment_columns(table: FeatureTable, row: int, segments: Sequence[VideoSegment]) -> tuple[object, ...]:
    segment = segments[int(table.video_index[row])]
    return *(f"{seconds:.3f}" for seconds in segment.seconds), *segment.frames


def class_name(table: FeatureTable, row: int) -> str:
    label = int(table.label[row])
    return "" if label < 0 else table.class_names[label] if label < len(table.class_names) else str(label)


GALLERY, QUERY = "gallery", "query"  # roles of the tables
PartOf = Callable[[Place], tuple[str, str]]  # which part of its file a video is, in words, and the address of that part
CropOf = Callable[..., tuple[float, float, float, float]]  # crop of a frame of `height` and `width`, as in `PageVideo.crop`


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """neighbors: shown for each query. rows: largest number of queries, thinned out evenly. map_points: largest number of videos.
    maximum_megabytes: size of the pictures; above it previews are dropped first, then strips."""

    neighbors: int
    rows: int
    map_points: int
    maximum_megabytes: float

    def __post_init__(self) -> None:
        if min(self.neighbors, self.rows) < 1 or self.map_points < 0:
            raise InputError(
                expected="page.neighbors and page.rows of 1 or more, page.map_points of 0 or more",
                got=f"{self.neighbors}, {self.rows}, {self.map_points}",
                hint="Set for instance page.neighbors=6 page.rows=1000.",
            )


@dataclass(frozen=True)
class ShownRows:
    """Videos of the page, before their pictures are made."""

    rows: tuple[tuple[Place, tuple[tuple[Place, float], ...]], ...]
    places: tuple[Place, ...]  # all videos, each once, in order of appearance

    def rows_of(self, role: str) -> list[int]:
        """Rows of the table `role` that need pictures."""
        return [row for found, row in self.places if found == role]


def shown_neighbors(*, found: Neighbors, leave_one_out: bool, options: PageOptions) -> ShownRows:
    """The rows of a retrieval. Without queries the gallery's videos are the queries."""
    role = GALLERY if leave_one_out else QUERY
    queries = evenly_spaced(len(found.index), options.rows)
    rows = tuple(
        ((role, query), tuple((((GALLERY, int(row)), float(similarity))) for row, similarity in _nearest(found, query, options.neighbors)))
        for query in queries
    )
    return ShownRows(rows=rows, places=_places(rows))


def page_of(
    *,
    page: RetrievalPage,
    shown: ShownRows,
    gallery: FeatureTable,
    query: FeatureTable | None,
    pictures: Mapping[Place, VideoPictures],
    crop_of: CropOf,
    options: PageOptions,
    part_of: PartOf = lambda _: ("", ""),
) -> RetrievalPage:
    """`page` with its videos, rows and map. The map shows all videos of both tables; those without a row have no picture."""
    tables = {GALLERY: gallery, **({} if query is None else {QUERY: query})}
    names, number_of = joined_classes(gallery, tables.get(QUERY, gallery))
    mapped = mapped_places(tables, most=options.map_points)
    positions, note = feature_map(mapped, tables, page.what)
    place_of = {place: number for number, place in enumerate(dict.fromkeys([*shown.places, *(mapped if positions else ())]))}
    short = {role: _short_names(table.path) for role, table in tables.items()}
    videos = [
        PageVideo(
            short[role][row],
            number_of[role][int(tables[role].label[row])],
            pictures.get((role, row)),
            _crop(pictures.get((role, row)), crop_of),
            *part_of((role, row)),
        )
        for role, row in place_of
    ]
    rows = [
        PageRow(place_of[asking], tuple(PageNeighbor(place_of[place], similarity) for place, similarity in found))
        for asking, found in shown.rows
    ]
    asking = {place_of[place] for place, _ in shown.rows}
    points = [
        MapPoint(x=x, y=y, video=place_of[place], is_query=place_of[place] in asking)
        for place, (x, y) in zip(mapped, positions, strict=bool(positions))
    ]
    return replace(page, videos=videos, rows=rows, class_names=names, points=points, map_note=note)


def judgments(*, gallery: FeatureTable, query: FeatureTable | None, nearest_Q: Tensor) -> tuple[list[ClassRecall], list[Confusion]]:
    """Recall at 1 by class, worst first, and the confusion of each query's class with its nearest video's; empty without labels."""
    asking = gallery if query is None else query
    if bool((gallery.label < 0).any()) or bool((asking.label < 0).any()) or not len(asking) or not len(gallery):
        return [], []
    _, number_of = joined_classes(gallery, asking)
    counts: dict[tuple[int, int], int] = {}
    for own, nearest in zip(asking.label.tolist(), gallery.label[nearest_Q].tolist(), strict=True):
        key = (number_of[QUERY][own], number_of[GALLERY][nearest])
        counts[key] = counts.get(key, 0) + 1
    totals: dict[int, int] = {}
    for (label, _), count in counts.items():
        totals[label] = totals.get(label, 0) + count
    recall = [ClassRecall(label, counts.get((label, label), 0), total) for label, total in totals.items()]
    worst_first = sorted(recall, key=lambda entry: (entry.right / entry.total, entry.class_number))
    return worst_first, [Confusion(*key, count) for key, count in sorted(counts.items())]


def joined_classes(gallery: FeatureTable, query: FeatureTable) -> tuple[list[str], dict[str, dict[int, int]]]:
    """Class names of both tables, and by role the number of each label: classes with equal names are one class, -1 stays -1."""
    names: dict[str, int] = {}
    number_of: dict[str, dict[int, int]] = {}
    for role, table in ((GALLERY, gallery), (QUERY, query)):
        labels = sorted({*range(len(table.class_names)), *table.label.tolist()} - {-1})
        name_of = {label: table.class_names[label] if label < len(table.class_names) else f"class {label}" for label in labels}
        number_of[role] = {-1: -1, **{label: names.setdefault(name, len(names)) for label, name in name_of.items()}}
    return list(names), number_of


def _crop(pictures: VideoPictures | None, crop_of: CropOf) -> tuple[float, float, float, float] | None:
    return None if pictures is None else crop_of(height=pictures.video_height_pixels, width=pictures.video_width_pixels)


def _nearest(found: Neighbors, query: int, most: int) -> list[tuple[int, float]]:
    """Rows of the gallery and similarities; a query may have fewer than the others, and -1 in their place."""
    pairs = zip(found.index[query, :most].tolist(), found.similarity[query, :most].tolist(), strict=True)
    return [(row, similarity) for row, similarity in pairs if row >= 0]


def _places(rows: Sequence[tuple[Place, tuple[tuple[Place, float], ...]]]) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(place for asking, found in rows for place in (asking, *(near for near, _ in found))))


def _short_names(paths: Sequence[str]) -> list[str]:
    """Paths without their common folder."""
    folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120 (paths may be any bytes; a Path costs ten times as much)
    shared = os.path.commonpath(folders) if folders and len({os.path.isabs(folder) for folder in folders}) == 1 else ""  # noqa: PTH117
    return [path.removeprefix(shared).lstrip(os.sep) if shared else path for path in paths]
