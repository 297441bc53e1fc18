"""`retrieve duplicates=true`: groups of near duplicates in one collection, at a similarity that is calibrated by made copies."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from vclr_pl.command.result import RetrieveResult
from vclr_pl.command.video_facts import video_facts
from vclr_pl.data.made_copies import CHANGES, CopyDecoder, copies_of
from vclr_pl.evaluation.copy_threshold import copy_threshold
from vclr_pl.evaluation.duplicate_groups import (
    DuplicateGroup,
    GroupMember,
    connected_rows,
    in_keeping_order,
    reason_to_keep,
    reason_to_remove,
)
from vclr_pl.evaluation.near_duplicates import CopySimilarity, Pairs, near_duplicates
from vclr_pl.features.copy_views import VIEWS, with_copy_views
from vclr_pl.report.duplicates_page import Facts, write_groups, write_left_out, write_pairs
from vclr_pl.runner.reading import Reading, only_list, page_maker, readable_table
from vclr_pl.types import FeatureTable, InputError

logger = logging.getLogger(__name__)

AUTO = "auto"


@dataclass(frozen=True)
class Found:
    """The pairs of a table, its similarities, and the threshold, as a number and in a sentence."""

    similarity: CopySimilarity
    pairs: Pairs
    minimum: float
    threshold: str

    @property
    def near(self) -> Tensor:
        """bool `[G]`: true for rows in a pair."""
        return self.pairs.near


@dataclass(frozen=True, kw_only=True)
class DuplicateSearch:
    """Searches a table for pairs. `copies` are the features of made copies, of which the i-th belongs to video `videos[i // 6]`; None
    with a given `minimum_similarity`."""

    minimum_similarity: float | None
    maximum_pairs: int
    copies: FeatureTable | None
    videos: Sequence[int]
    recall: float

    def __call__(self, table: FeatureTable) -> Found:
        similarity = CopySimilarity(table.features.unflatten(1, (VIEWS, -1)))
        if self.copies is None:
            minimum, threshold = self.minimum_similarity, f"Near duplicates have a similarity of {self.minimum_similarity:g} or more."
        else:
            minimum, threshold = self._calibrated(self.copies, table, similarity)
        assert minimum is not None
        pairs = near_duplicates(similarity, minimum_similarity=minimum, maximum_pairs=self.maximum_pairs)
        return Found(similarity=similarity, pairs=pairs, minimum=minimum, threshold=threshold)

    def _calibrated(self, copies: FeatureTable, table: FeatureTable, similarity: CopySimilarity) -> tuple[float, str]:
        row_of = {int(index): row for row, index in enumerate(table.video_index)}
        original = [row_of.get(self.videos[int(index) // len(CHANGES)]) for index in copies.video_index]
        used = [place for place, row in enumerate(original) if row is not None]
        rows = torch.tensor([row for row in original if row is not None], dtype=torch.long)
        if not used:
            return 1.0, "Near duplicates have a similarity of 1, since no copy could be made."
        found_P = similarity.of_copies(copies.features[used], rows)
        chosen = copy_threshold(copies_P=found_P, nearest_G=similarity.nearest(), recall=self.recall)
        kind_P = copies.video_index[used] % len(CHANGES)
        kinds = [
            f"{name} {100 * float((found_P[kind_P == number] >= chosen.similarity).double().mean()):.0f}%"
            for number, name in enumerate(CHANGES)
        ]
        videos = len(set(rows.tolist()))
        return chosen.similarity, (
            f"Near duplicates have a similarity of {chosen.similarity:.3f} or more: this threshold finds {100 * chosen.recall:.0f}% of "
            f"{len(used)} copies made of {videos} of the videos ({', '.join(kinds)})."
        )


def duplicates(config: DictConfig, reading: Reading) -> RetrieveResult | None:
    """Write the groups of near duplicates, as CSV and as a page. Returns None on ranks other than 0."""
    given = minimum_of(config.minimum_similarity)
    manifest: Any = only_list(reading.splits, key="gallery")
    encoder: Any = reading.encoder
    started = time.perf_counter()
    gallery = replace(reading, encoder=with_copy_views(encoder))
    table = readable_table(gallery, gallery.embed(manifest), role="gallery")
    videos: list[int] = []
    copies = None
    if given is None:
        seconds = time.perf_counter() - started
        videos = [int(table.video_index[row]) for row in instantiate(config.calibration).sample(len(table))]
        copies = features_of_copies(reading, manifest, videos, seconds=seconds)
    if not reading.is_main_process:
        return None
    find = DuplicateSearch(
        minimum_similarity=given,
        maximum_pairs=config.maximum_pairs,
        copies=copies,
        videos=videos,
        recall=config.calibration.recall,
    )
    distinct, found, left_out = instantiate(config.distinct).search(table, manifest=manifest, encoder=encoder, find=find)
    return write_result(config, reading, distinct, found, left_out)


def minimum_of(value: object) -> float | None:
    """The number, or None for `auto`.

    Raises:
        InputError: neither.
    """
    if value == AUTO:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(
            expected="minimum_similarity to be auto or a number from -1 to 1", got=str(value), hint="Set minimum_similarity=auto."
        )
    return float(value)


def features_of_copies(reading: Reading, manifest: Any, videos: Sequence[int], *, seconds: float) -> FeatureTable:
    """The features of the whole frames of made copies, kept in a temporary folder of the run. All ranks call it together."""
    started = time.perf_counter()
    copies = copies_of(manifest, videos)
    logger.info("calibration: %d copies of each of %d videos (%s)", len(CHANGES), len(videos), ", ".join(CHANGES))
    folder = Path(reading.trainer.strategy.broadcast(str(reading.folder / "made_copies")))
    embedder: Any = reading.embedder
    copying = replace(reading, embedder=replace(embedder, decoding=CopyDecoder(manifest.decoder(embedder.decoding)), cache=str(folder)))
    found = copying.embed(copies).table()
    table = replace(found, features=found.features.clone())
    reading.trainer.strategy.barrier()
    if reading.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
        logger.info("calibration took %.1f s, the features of the collection %.1f s", time.perf_counter() - started, seconds)
    return table


def write_result(
    config: DictConfig, reading: Reading, table: FeatureTable, found: Found, left_out: Sequence[tuple[str, str]]
) -> RetrieveResult:
    """Write the CSV files and the page."""
    manifest: Any = reading.splits.train
    near = found.near.nonzero().flatten().tolist()
    index_of = {row: int(table.video_index[row]) for row in near}
    decoder: Any = instantiate(config.decoding)
    facts = {row: video_facts(manifest, index, decoder=decoder) for row, index in index_of.items()}
    groups = groups_of(table, found, facts)
    names = ("duplicates.csv", "left_out.csv", "duplicates.html", "duplicate_pairs.csv")
    files = [reading.folder / name for name in names]
    write_groups(files[0], table=table, groups=groups, facts=facts)
    write_left_out(files[1], left_out)
    write_pairs(files[3], table=table, pairs=found.pairs)
    logger.info("%s", found.threshold)
    if found.pairs.found > len(found.pairs.rows):
        logger.warning("the groups come from the %d most similar of %d pairs (maximum_pairs)", len(found.pairs.rows), found.pairs.found)
    removed = sum(len(group.removed) for group in groups)
    logger.info("groups of near duplicates: %d; videos to remove: %d; %s", len(groups), removed, files[0])
    maker = page_maker(config, manifests={"gallery": manifest}, origin=reading.encoder.origin, view=reading.encoder.view)
    if maker is not None:
        maker.write_groups(files[2], gallery=table, groups=groups, facts=facts, minimum=found.minimum, threshold=found.threshold)
        logger.info("%s", files[2])
    return RetrieveResult(folder=reading.folder, table=files[0], left_out=files[1], page=None if maker is None else files[2])


def groups_of(table: FeatureTable, found: Found, facts: Facts) -> list[DuplicateGroup]:
    """The connected sets, the largest first, then in order of their kept video."""
    groups = []
    for rows in connected_rows(found.pairs.rows, rows=len(table)):
        kept, *others = in_keeping_order(rows, facts=facts, paths=table.path)
        similarity = found.similarity.of_rows(torch.tensor([kept] * len(others)), torch.tensor(others)).tolist()
        removed = [
            GroupMember(row, reason_to_remove(facts[row], facts[kept]), value) for row, value in zip(others, similarity, strict=True)
        ]
        removed.sort(key=lambda member: (-member.similarity, table.path[member.row]))
        reason = reason_to_keep(facts[kept], [facts[row] for row in others])
        groups.append(DuplicateGroup(kept=GroupMember(kept, reason, 1.0), removed=tuple(removed)))
    return sorted(groups, key=lambda group: (-len(group.removed), group.kept.row))
