"""Pages of a localization run, and its table.

Legend: T positions of the boundary curves.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from rich.table import Table

from vclr_pl.files import evenly_spaced, write_whole
from vclr_pl.report.record import ResultRecord
from vclr_pl.report.retrieval_page import Figure, VideoPictures
from vclr_pl.report.tables import localization_title
from vclr_pl.text import duration, readable
from vclr_pl.types import InputError


def localization_table(record: ResultRecord) -> Table:
    """Table of metrics in percent: evenly spaced proposals, the network's proposals, and the gain."""
    table = Table(title=f"{record.name}, seed {record.provenance.get('seed', '?')}", title_justify="left")
    table.add_column("percent")
    for column in ("evenly spaced", "BMN", "gain"):
        table.add_column(column, justify="right")
    for name, value in record.metrics.items():
        even = record.baseline.get(name)
        cells = ("-", "-") if even is None else (f"{even:.1f}", f"{value - even:+z.1f}")
        table.add_row(localization_title(name), cells[0], f"{value:.1f}", cells[1])
    return table


def localization_figures(metrics: Mapping[str, float], baseline: Mapping[str, float]) -> list[Figure]:
    """The same for the page."""
    return [
        Figure(
            localization_title(name),
            f"{value:.1f}%",
            f"evenly spaced {baseline[name]:.1f}%" if name in baseline else "",
            explanation=_explanation(name),
        )
        for name, value in metrics.items()
    ]


def _explanation(name: str) -> str:
    measure, _, figure = name.partition("_")
    if measure == "ar":
        return f"average recall with {figure} {'proposal' if figure == '1' else 'proposals'} per video, over tIoU 0.50 to 0.95"
    if measure == "auc":
        return "area under the curve of average recall over 1 to 100 proposals per video"
    return (
        "mean average precision over classes, at this tIoU with a true segment"
        if figure.isdigit()
        else "mean average precision over classes, averaged over tIoU 0.50 to 0.95"
    )


HUES = (212, 28, 300, 48, 265, 335, 190, 5)  # distinct hues, without the green of correct proposals
CURVE_HEIGHT = 100
INDEX_PROPOSALS = 5  # best proposals of a video on the index page
FITS = 0.5  # least tIoU with a true segment


@dataclass(frozen=True)
class LabeledSegment:
    """A true segment, in seconds."""

    label: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class LocalizedVideo:
    """Content of a page. `proposals` are (start, end, score), seconds, best first; the curves cover `covered_seconds`."""

    identity: str
    duration_seconds: float
    covered_seconds: float
    segments: Sequence[LabeledSegment]
    proposals: Sequence[tuple[float, float, float]]
    start: Sequence[float]  # [T]
    end: Sequence[float]  # [T]
    pictures: VideoPictures | None = None


@dataclass(frozen=True, kw_only=True)
class LocalizationPages:
    """proposals: best proposals shown for each video. videos: largest number of videos with a page, thinned out evenly."""

    proposals: int
    videos: int

    def __post_init__(self) -> None:
        if self.proposals < 1 or self.videos < 1:
            raise InputError(
                expected="page.proposals and page.videos of at least 1",
                got=f"{self.proposals} and {self.videos}",
                hint="Set page.proposals=10 page.videos=100, or page=null.",
            )

    def chosen(self, identities: Sequence[str]) -> list[str]:
        """At most `videos` of them, evenly spaced."""
        return [identities[index] for index in evenly_spaced(len(identities), self.videos)]

    def write(self, folder: Path, videos: Sequence[LocalizedVideo], *, figures: Sequence[Figure], notes: Sequence[str]) -> Path:
        """Write `index.html` and a page for each video below `folder`. Return the path of the index."""
        folder.mkdir(parents=True, exist_ok=True)
        names = [file_name(video.identity) for video in videos]
        colors = label_hues([segment.label for video in videos for segment in video.segments])
        shown = [self._described(video, name, colors) for video, name in zip(videos, names, strict=True)]
        for position, (content, name) in enumerate(zip(shown, names, strict=True)):
            near = {"earlier": names[position - 1] if position else "", "later": names[position + 1] if position + 1 < len(names) else ""}
            write_whole(folder / name, _render("localization_video.html.jinja", video=content, notes=notes, **near))
        index = _render(
            "localization_index.html.jinja", videos=shown, best=INDEX_PROPOSALS, figures=figures, notes=notes, labels=sorted(colors.items())
        )
        write_whole(folder / "index.html", index)
        return folder / "index.html"

    def _described(self, video: LocalizedVideo, name: str, colors: Mapping[str, int]) -> dict[str, Any]:
        shown = video.proposals[: self.proposals]
        segments = [_described_segment(segment, video, colors) for segment in video.segments]
        later = sorted({segment["best_rank"] for segment in segments if segment["best_rank"] > self.proposals})
        return {
            "file": name,
            "title": video.identity,
            "duration": duration(video.duration_seconds),
            "segments": segments,
            "segment_lanes": _in_lanes(segments),
            "proposals": [_described_proposal(rank, row, video) for rank, row in enumerate(shown, 1)],
            "other_proposals": [_described_proposal(rank, video.proposals[rank - 1], video) for rank in later],
            "start": curve_points(video.start, share=video.covered_seconds / video.duration_seconds),
            "end": curve_points(video.end, share=video.covered_seconds / video.duration_seconds),
            "ticks": _ticks(video.duration_seconds),
            "strip": "" if video.pictures is None else base64.b64encode(video.pictures.strip).decode("ascii"),
            "frames": 0 if video.pictures is None else video.pictures.frames,
            "labels": sorted({(segment.label, colors[segment.label]) for segment in video.segments}),
            "counted": len(video.proposals),
            **_index_bars(video, segments),
        }


def tiou(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Intersection over union of two segments."""
    common = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    union = first[1] - first[0] + second[1] - second[0] - common
    return common / union if union > 0 else 0.0


def label_hues(labels: Sequence[str]) -> dict[str, int]:
    """A hue in degrees for each label; labels next to each other in the alphabet differ most."""
    return {label: HUES[index % len(HUES)] for index, label in enumerate(sorted(set(labels)))}


def curve_points(values: Sequence[float], *, share: float) -> str:
    """An SVG polyline, 100 wide and high, of probabilities that cover the first `share` of the width."""
    steps = max(1, len(values))
    return " ".join(f"{100 * share * index / steps:.2f},{CURVE_HEIGHT * (1 - value):.2f}" for index, value in enumerate(values))


def file_name(identity: str) -> str:
    """A page's file name, valid for every system and browser; changed names contain a digest, so they are unique."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", identity)
    digest = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{plain}.html" if plain == identity and plain != "index" else f"{plain[:80]}-{digest}.html"


def _described_segment(segment: LabeledSegment, video: LocalizedVideo, colors: Mapping[str, int]) -> dict[str, Any]:
    own = (segment.start_seconds, segment.end_seconds)
    overlaps = [tiou(own, (start, end)) for start, end, _ in video.proposals]
    best = max(overlaps, default=0.0)
    return {
        **_place(own, video.duration_seconds),
        "seconds": own,
        "label": segment.label,
        "hue": colors[segment.label],
        "from": duration(segment.start_seconds),
        "to": duration(segment.end_seconds),
        "best_tiou": best,
        "best_rank": overlaps.index(best) + 1 if best > 0 else 0,
    }


def _index_bars(video: LocalizedVideo, segments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Proposals on the index page: the best by score, then those that fit the other segments. Both counts of found segments."""
    best = [_described_proposal(rank, row, video) for rank, row in enumerate(video.proposals[:INDEX_PROPOSALS], 1)]
    found = [segment for segment in segments if segment["best_tiou"] >= FITS]
    late = [segment for segment in found if _best_tiou(segment["seconds"], video.proposals[:INDEX_PROPOSALS]) < FITS]
    ranks = sorted({segment["best_rank"] for segment in late})
    return {
        "index_proposals": [*best, *(_described_proposal(rank, video.proposals[rank - 1], video) for rank in ranks)],
        "found": len(found),
        "found_by_best": len(found) - len(late),
    }


def _best_tiou(own: tuple[float, float], proposals: Sequence[tuple[float, float, float]]) -> float:
    return max((tiou(own, (start, end)) for start, end, _ in proposals), default=0.0)


def _described_proposal(rank: int, row: tuple[float, float, float], video: LocalizedVideo) -> dict[str, Any]:
    start, end, score = row
    overlaps = [tiou((start, end), (segment.start_seconds, segment.end_seconds)) for segment in video.segments]
    return {
        **_place((start, end), video.duration_seconds),
        "rank": rank,
        "score": score,
        "from": duration(start),
        "to": duration(end),
        "tiou": max(overlaps, default=0.0),
    }


def _in_lanes(segments: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Arrange overlapping segments in separate lanes."""
    lanes: list[list[dict[str, Any]]] = []
    for segment in sorted(segments, key=lambda bar: float(bar["left"])):
        free = next((lane for lane in lanes if lane[-1]["left"] + lane[-1]["width"] <= segment["left"] + 1e-9), None)
        if free is None:
            lanes.append([segment])
        else:
            free.append(segment)
    return lanes


def _place(stretch: tuple[float, float], duration_seconds: float) -> dict[str, float]:
    """A position in percent of the timeline's width."""
    return {"left": 100 * stretch[0] / duration_seconds, "width": 100 * (stretch[1] - stretch[0]) / duration_seconds}


def _ticks(duration_seconds: float) -> list[dict[str, Any]]:
    steps = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
    step = next((step for step in steps if duration_seconds / step <= 8), duration_seconds / 6)
    count = int(duration_seconds / step + 1e-9)
    moments = [step * index for index in range(count + 1) if step * index <= 0.96 * duration_seconds]
    return [
        {"left": 100 * moment / duration_seconds, "text": duration(moment) if duration_seconds >= 60 else f"{moment:g} s"}
        for moment in moments
    ]


def _render(template: str, **content: Any) -> str:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(_text(template)).render(
        style=_text("page.css") + _text("localization.css"),
        footer="Made by vclr_pl. This page loads nothing from the network.",
        **content,
    )
    return readable(page)


def _text(name: str) -> str:
    return resources.files("vclr_pl.report").joinpath("page", name).read_text(encoding="utf-8")
