"""Groups of near duplicates as a CSV file and as content of their page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vclr_pl.evaluation.duplicate_groups import DuplicateGroup, VideoFacts
from vclr_pl.evaluation.near_duplicates import Pairs
from vclr_pl.files import write_csv
from vclr_pl.report.feature_map import Place
from vclr_pl.report.page_content import GALLERY, PageOptions, ShownRows
from vclr_pl.types import FeatureTable

COLUMNS = ("group", "path", "decision", "why", "width", "height", "seconds", "kilobits_per_second", "similarity_to_kept")
SIMILARITY_NOTE = (
    "The similarity of two near duplicates is the highest cosine of the whole frames of one and the whole, mirrored or cropped frames of "
    "the other; features are centered on the mean of the collection. A group is a connected set: its videos may be similar through others."
)
Facts = Mapping[int, VideoFacts]  # by row of the table


def write_groups(path: Path, *, table: FeatureTable, groups: Sequence[DuplicateGroup], facts: Facts) -> None:
    """One line per video of a group, the kept one first; `decision` is `keep` or `remove`."""
    write_csv(path, COLUMNS, _lines(table, groups, facts))


def _lines(table: FeatureTable, groups: Sequence[DuplicateGroup], facts: Facts) -> Iterator[tuple[object, ...]]:
    for number, group in enumerate(groups, 1):
        for member in (group.kept, *group.removed):
            found = facts[member.row]
            decision = "keep" if member is group.kept else "remove"
            size = (found.width or "", found.height or "", f"{found.seconds:.2f}" if found.seconds else "", found.kilobits_per_second or "")
            yield number, table.path[member.row], decision, member.reason, *size, f"{member.similarity:.6f}"


def write_pairs(path: Path, *, table: FeatureTable, pairs: Pairs) -> None:
    """Write `first,second,similarity`, the most similar pair first."""
    ends = zip(pairs.rows.tolist(), pairs.similarity.tolist(), strict=True)
    lines = ((table.path[first], table.path[second], f"{similarity:.6f}") for (first, second), similarity in ends)
    write_csv(path, ("first", "second", "similarity"), lines)


def write_left_out(path: Path, left_out: Sequence[tuple[str, str]]) -> None:
    """Write `path,reason` of the videos that were not searched for pairs."""
    write_csv(path, ("path", "reason"), left_out)


def shown_groups(groups: Sequence[DuplicateGroup], *, options: PageOptions) -> ShownRows:
    """The rows of the page: the kept video of each group with the others, in order of the groups."""
    rows = tuple(
        ((GALLERY, group.kept.row), tuple(((GALLERY, member.row), member.similarity) for member in group.removed))
        for group in groups[: options.rows]
    )
    places = dict.fromkeys(place for kept, removed in rows for place in (kept, *(place for place, _ in removed)))
    return ShownRows(rows=rows, places=tuple(places))


def captions(groups: Sequence[DuplicateGroup], facts: Facts) -> dict[Place, str]:
    """The text after the name of a video: its size, length and bit rate, and the reason to keep or remove it."""
    kept = {(GALLERY, group.kept.row): _caption(f"kept: {group.kept.reason}", facts[group.kept.row]) for group in groups}
    removed = (member for group in groups for member in group.removed)
    return kept | {(GALLERY, member.row): _caption(member.reason, facts[member.row]) for member in removed}


def _caption(reason: str, facts: VideoFacts) -> str:
    parts = [
        f"{facts.width} x {facts.height}" if facts.width else "",
        f"{facts.seconds:.1f} s" if facts.seconds else "",
        f"{facts.kilobits_per_second} kbit/s" if facts.kilobits_per_second else "",
        reason,
    ]
    return f" ({', '.join(part for part in parts if part)})"


def in_words(groups: Sequence[DuplicateGroup], *, videos: int, threshold: str, shown: int) -> str:
    """The first sentences of the page."""
    removed = sum(len(group.removed) for group in groups)
    remaining = videos - removed
    count = "1 group" if len(groups) == 1 else f"{len(groups)} groups"
    lead = f"{count} of near duplicates among {videos} videos"
    if groups:
        kept = f"{len(groups)} kept of groups, {remaining - len(groups)} in no group"
        lead += (
            f": {removed} could be removed, {remaining} remain ({kept}). Clips of one recording also form groups: look before you remove"
        )
    lead += f". {threshold}"
    if shown < len(groups):
        lead += f" The first {shown} groups are shown."
    return lead
