"""Make pages from tables, with pictures of only the shown videos."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from vclr_pl.evaluation.duplicate_groups import DuplicateGroup
from vclr_pl.evaluation.neighbor_search import Neighbors, nearest_neighbors, require_neighbors
from vclr_pl.report.duplicates_page import SIMILARITY_NOTE, Facts, captions, in_words, shown_groups
from vclr_pl.report.feature_map import Place
from vclr_pl.report.page_content import GALLERY, QUERY, PageOptions, ShownRows, judgments, page_of, shown_neighbors
from vclr_pl.report.retrieval_lead import retrieval_lead, window_in_words
from vclr_pl.report.retrieval_page import Figure, RetrievalPage, VideoPictures, write_page
from vclr_pl.report.segment_text import segment_address, segment_in_words
from vclr_pl.types import FeatureTable, VideoSegment

logger = logging.getLogger(__name__)

FEATURE_NOTE = "A {}'s feature is {}; similarity is the cosine of two features, 1 for the same direction."
FRAME_AVERAGE = "the average over its frames"
STRIP_NOTE = "A strip shows evenly spaced frames, in temporal order from left to right."
PictureSource = Callable[[Any, Sequence[int]], Mapping[int, VideoPictures]]


class ShownView(Protocol):
    """The view of the encoder."""

    @property
    def in_words(self) -> str: ...

    def crop_box(self, *, height: int, width: int) -> tuple[float, float, float, float]: ...


@dataclass(frozen=True, kw_only=True)
class PageMaker:
    """Writes pages of one encoder.

    Args:
        options: limits of the page.
        pictures: makes pictures of a manifest's videos, by index; unreadable videos are left out.
        manifests: the lists that the tables were read from, by `gallery` and `query`.
        origin: description of the encoder.
        view: view of the encoder, drawn on the frames.
        segments: of the lists whose rows are segments of videos, by `gallery` and `query`.
        window_seconds: length of a segment, and time from the start of one to the start of the next.
        data_option: the option of the gallery's list.
        feature: what the feature of a video is.
    """

    options: PageOptions
    pictures: PictureSource
    manifests: Mapping[str, Any]
    origin: str
    view: ShownView
    segments: Mapping[str, Sequence[VideoSegment]] = field(default_factory=dict)
    window_seconds: tuple[float, float] = (0.0, 0.0)
    data_option: str = "data"
    feature: str = FRAME_AVERAGE

    def write_search(self, path: Path, *, gallery: FeatureTable, query: FeatureTable | None, figures: Sequence[Figure]) -> Path:
        """Search the neighbors exactly, and write their page.

        Raises:
            InputError: too few videos.
        """
        require_neighbors(gallery=len(gallery), leave_one_out=query is None, neighbors=self.options.neighbors)
        query_QF = None if query is None else query.features
        found = nearest_neighbors(gallery_GF=gallery.features, query_QF=query_QF, neighbors=self.options.neighbors)
        self.write_neighbors(path, gallery=gallery, query=query, found=found, figures=figures)
        logger.info("page: %s", path)
        return path

    def write_neighbors(
        self, path: Path, *, gallery: FeatureTable, query: FeatureTable | None, found: Neighbors, figures: Sequence[Figure] = ()
    ) -> None:
        """Write the page of a retrieval.

        Raises:
            InputError: no query has a neighbor.
        """
        require_neighbors(gallery=len(gallery), leave_one_out=query is None, neighbors=found.index.shape[1])
        shown = shown_neighbors(found=found, leave_one_out=query is None, options=self.options)
        recall, confusion = judgments(gallery=gallery, query=query, nearest_Q=found.index[:, 0])
        lead = retrieval_lead(
            gallery=gallery,
            query=query,
            judged=bool(recall),
            shown=len(shown.rows),
            window=self._window(gallery),
            data_option=self.data_option,
        )
        what = "segments" if GALLERY in self.segments else "videos"
        page = RetrievalPage(
            title=f"Nearest {what}",
            lead=lead,
            videos=(),
            rows=(),
            figures=figures,
            recall=recall,
            confusion=confusion,
            notes=(self._origin(), FEATURE_NOTE.format(what[:-1], self.feature), STRIP_NOTE),
            what=f"videos and {what}" if query is not None and what == "segments" and QUERY not in self.segments else what,
        )
        self._write(path, page, shown, gallery, query)

    def write_groups(
        self, path: Path, *, gallery: FeatureTable, groups: Sequence[DuplicateGroup], facts: Facts, minimum: float, threshold: str
    ) -> None:
        """Write the page of near duplicates.

        Args:
            facts: of the videos of the groups, by row.
            minimum: the lowest similarity of a pair.
            threshold: `minimum` in a sentence.
        """
        shown = shown_groups(groups, options=self.options)
        page = RetrievalPage(
            title="Near duplicates",
            lead=in_words(groups, videos=len(gallery), threshold=threshold, shown=len(shown.rows)),
            videos=(),
            rows=(),
            notes=(self._origin(), SIMILARITY_NOTE, STRIP_NOTE),
            pairs=True,
            least_similarity=minimum,
        )
        without_map = replace(self, options=replace(self.options, map_points=0))  # the features of all views of a video are on no map
        without_map._write(path, page, shown, gallery, None, captions=captions(groups, facts))

    def _write(
        self,
        path: Path,
        page: RetrievalPage,
        shown: ShownRows,
        gallery: FeatureTable,
        query: FeatureTable | None,
        captions: Mapping[Place, str] | None = None,
    ) -> None:
        tables = {"gallery": gallery, **({} if query is None else {"query": query})}
        pictures: dict[Place, VideoPictures] = {}
        for role, table in tables.items():
            row_of = {int(table.video_index[row]): row for row in shown.rows_of(role)}
            drawn = self.pictures(self.manifests[role], list(row_of))
            pictures.update({(role, row_of[index]): picture for index, picture in drawn.items()})
        content = page_of(
            page=page,
            shown=shown,
            gallery=gallery,
            query=query,
            pictures=pictures,
            crop_of=self.view.crop_box,
            options=self.options,
            part_of=partial(self._part, path.parent, tables),
        )
        if captions is not None:
            videos = [replace(video, name=video.name + captions[place]) for video, place in zip(content.videos, shown.places, strict=True)]
            content = replace(content, videos=videos)
        view = self.view.in_words.replace("per video", f"per {'video or segment' if 'and' in page.what else page.what[:-1]}")
        note = f"The encoder receives only the outlined part of a frame: {view}."
        write_page(replace(content, view_note=note), path, maximum_megabytes=self.options.maximum_megabytes)

    def _part(self, folder: Path, tables: Mapping[str, FeatureTable], place: Place) -> tuple[str, str]:
        """Which part of its file a video is, and its address; empty for a whole video."""
        role, row = place
        if role not in self.segments:
            return "", ""
        segment = self.segments[role][int(tables[role].video_index[row])]
        return segment_in_words(segment), segment_address(segment, path=tables[role].path[row], folder=folder)

    def _window(self, gallery: FeatureTable) -> str:
        """The gallery's segments in words; empty for whole videos."""
        if GALLERY not in self.segments:
            return ""
        videos = {self.segments[GALLERY][index].video for index in gallery.video_index.tolist()}
        seconds, stride = self.window_seconds
        return window_in_words(segments=len(gallery), videos=len(videos), seconds=seconds, stride_seconds=stride)

    def _origin(self) -> str:
        return f"Encoder: {self.origin}"
