"""`retrieve granularity=segment`: the gallery's videos as segments, and neighbors that are different parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.evaluation.distinct_segments import distinct_segments
from vclr_pl.evaluation.neighbor_search import Neighbors, nearest_neighbors, require_neighbors
from vclr_pl.features.pooling import MEAN_POOLING
from vclr_pl.runner.reading import Manifest
from vclr_pl.types import FeatureTable, InputError, VideoSegment

VIDEO, SEGMENT = "video", "segment"
GALLERY = "gallery"


def refuse_other_granularity(config: DictConfig) -> None:
    """
    Raises:
        InputError: an unknown granularity, or segments, of videos or in the pooling, for near duplicates.
    """
    if config.granularity not in (VIDEO, SEGMENT):
        raise InputError(expected=f"granularity={VIDEO} or {SEGMENT}", got=str(config.granularity), hint=f"Set granularity={VIDEO}.")
    if config.granularity == SEGMENT and config.duplicates:
        raise InputError(
            expected="duplicates=true or granularity=segment", got="both", hint="Remove one of them: near duplicates are whole videos."
        )
    if config.duplicates and config.protocol.pooling not in (None, MEAN_POOLING):
        raise InputError(
            expected=f"protocol.pooling={MEAN_POOLING} with duplicates=true",
            got=str(config.protocol.pooling),
            hint="Remove protocol.pooling: copies are found by mean features.",
        )


def split_gallery(config: DictConfig, manifests: Mapping[str, Manifest]) -> tuple[dict[str, Manifest], dict[str, list[VideoSegment]]]:
    """With granularity=segment, the segments of the gallery's videos in place of the videos. Other queries stay whole."""
    if config.granularity == VIDEO:
        return dict(manifests), {}
    split, segments = instantiate(config.segment).split(manifests[GALLERY])
    return {**manifests, GALLERY: split}, {GALLERY: segments} if "query" in manifests else {GALLERY: segments, "query": segments}


def neighbors_of(config: DictConfig, tables: Mapping[str, FeatureTable], segments: Mapping[str, Sequence[VideoSegment]]) -> Neighbors:
    """The nearest rows of the gallery; of segments, those that do not overlap each other or the query.

    Raises:
        InputError: a query without a neighbor.
    """
    gallery, query = tables[GALLERY], tables.get("query")
    require_neighbors(gallery=len(gallery), leave_one_out=query is None, neighbors=config.neighbors)  # again: some may be broken
    search = instantiate(config.search) or nearest_neighbors
    # one part and the query itself hide at most so many segments each, so enough candidates are left
    candidates = (config.neighbors + 1) * instantiate(config.segment).most_overlapping if segments else config.neighbors
    found: Neighbors = search(
        gallery_GF=gallery.features, query_QF=None if query is None else query.features, neighbors=min(candidates, len(gallery))
    )
    if not segments:
        return found
    rows = [segments[GALLERY][index] for index in gallery.video_index.tolist()]
    found = distinct_segments(found, gallery=rows, query=rows if query is None else None, neighbors=config.neighbors)
    if not found.index.shape[1] or bool((found.index[:, 0] < 0).any()):
        raise InputError(
            expected="a second part of a video for every segment",
            got="segments that overlap all others",
            hint="Use more videos, or set query.root to the video that you look for.",
        )
    return found
