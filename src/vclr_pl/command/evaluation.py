"""`evaluate`: show the metrics stored by an earlier evaluation, or compute them.

Metrics are stored next to the features, under a digest of everything that they depend on: the options, the versions, this
package's files, and the name, size and time of every file of the encoder and of the data. Reading them does not import torch.
"""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich
from omegaconf import DictConfig, OmegaConf

from vclr_pl.command.result import EvaluateResult
from vclr_pl.files import ANY_BYTE, file_stamp, write_whole
from vclr_pl.remote.location import is_url
from vclr_pl.report.record import RESULTS, ResultRecord, write_record
from vclr_pl.report.tables import evaluation_table
from vclr_pl.runner.provenance import PACKAGE, science_of, versions, write_config

if TYPE_CHECKING:
    from vclr_pl.types import FeatureTable

logger = logging.getLogger(__name__)

PAGE = "retrieval.html"
FOLDER = "figures"  # below paths.features
MOST_FILES = 300_000  # with more files, stored metrics are ignored: stamping every file would take longer
OWN = {PACKAGE, "pytorch_lightning", "torch", "torchvision"}  # their files or versions are part of the digest
HUB = "hf:"
ROLES = {"train": "training", "test": "test"}


def evaluate(config: DictConfig) -> EvaluateResult | None:
    """Show the stored metrics, or compute the features of both splits and the measures on them.

    Returns None on ranks other than 0.
    """
    stored = StoredFigures.of(config)
    known = None if stored is None or config.recompute else stored.read()
    if known is not None:
        return known.show(config)
    from vclr_pl.command import features  # imports torch and Lightning

    return features.evaluate(config, stored=stored)


@dataclass(frozen=True)
class KnownFigures:
    """An earlier evaluation.

    `features` are folders by split, `broken` numbers of broken videos, `videos` the digest of the video files.
    `page` is None if none was written.
    """

    record: ResultRecord
    features: Mapping[str, str]
    broken: Mapping[str, int]
    videos: str
    page: str | None
    page_stamp: Sequence[int] | None

    @property
    def holds(self) -> bool:
        """True if the features, their videos and the page exist and are unchanged."""
        if self.page is not None and (self.page_stamp is None or file_stamp(self.page) != tuple(self.page_stamp)):
            return False
        return videos_digest(self.features) == self.videos

    def show(self, config: DictConfig) -> EvaluateResult:
        """Write and print the results again, into this run's folder. The provenance stays that of the earlier evaluation."""
        folder, record, page = Path(config.paths.run), replace(self.record, name=config.name), None
        write_config(config, folder)
        for split, path in self.features.items():
            logger.info("%s features: kept in %s", ROLES[split], path)
            if self.broken[split]:
                logger.warning("%d of the %s videos are broken", self.broken[split], ROLES[split])
        logger.info("metrics: stored by an earlier evaluation with the same options; recompute=true computes them again")
        write_record(record, folder / RESULTS)
        if self.page is not None:
            page = folder / PAGE
            shutil.copyfile(self.page, page)
            logger.info("page: %s", page)
        show_figures(record, folder)
        return EvaluateResult(
            folder=folder,
            results=folder / RESULTS,
            metrics=record.metrics,
            intervals={metric: (low, high) for metric, (low, high) in record.intervals.items()},
            features={split: Path(path) for split, path in self.features.items()},
            page=page,
        )


@dataclass(frozen=True)
class StoredFigures:
    """The file for the metrics of an evaluation. It need not exist yet."""

    path: Path

    @classmethod
    def of(cls, config: DictConfig) -> StoredFigures | None:
        """The file for this config. None if the evaluation must run: with a logger, several processes, a name of the
        hub, videos on a server, or classes of other packages."""
        content: Any = OmegaConf.to_container(config, resolve=True)
        foreign = {target.partition(".")[0] for target in targets(content)} - OWN
        if (
            foreign
            or may_change(str(content["encoder"]))
            or any(map(is_url, texts_in(content["data"])))  # only its listing says what is there
            or config.get("logger") is not None
            or int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS") or 1) > 1
        ):
            return None
        digest = hashlib.sha256(json.dumps([science_of(content), versions(), str(Path.cwd())], sort_keys=True, default=str).encode())
        left = MOST_FILES
        for path in (Path(__file__).parents[1], *named_paths([content["encoder"], {**content["data"], "cache": None}])):
            for stamp in stamps(path):
                digest.update(stamp)
                left -= 1
                if left < 0:
                    return None
        return cls(Path(config.paths.features) / FOLDER / f"{digest.hexdigest()[:16]}.json")

    def read(self) -> KnownFigures | None:
        """The stored metrics; None if there are none, or if features, videos or page have changed."""
        try:
            content = json.loads(self.path.read_text())
            known = KnownFigures(**{**content, "record": ResultRecord(**content["record"])})
        except (OSError, ValueError, TypeError, KeyError):  # absent, or written by another version
            return None
        return known if known.holds else None

    def write(self, record: ResultRecord, *, tables: Mapping[str, FeatureTable], features: Mapping[str, Path], page: Path | None) -> None:
        """Store the metrics for the next evaluation, unless a video failed for a temporary reason."""
        if any(video.is_temporary for table in tables.values() for video in table.broken):
            return
        folders = {split: str(path.absolute()) for split, path in features.items()}
        known = KnownFigures(
            record=record,
            features=folders,
            broken={split: len(table.broken) for split, table in tables.items()},
            videos=videos_digest(folders) or "",
            page=None if page is None else str(page.absolute()),
            page_stamp=None if page is None else file_stamp(page),
        )
        write_whole(self.path, json.dumps(asdict(known)))


def show_figures(record: ResultRecord, folder: Path) -> None:
    """Print the table and the run folder."""
    if record.metrics:
        rich.get_console().print(evaluation_table(record))
    logger.info("run folder: %s", folder)


def videos_digest(features: Mapping[str, str]) -> str | None:
    """Digest of the stamps of all videos listed in the feature folders; None if a list is missing."""
    digest = hashlib.sha256()
    for path in features.values():
        try:
            with (Path(path) / "videos.csv").open(newline="", **ANY_BYTE) as file:
                for line in csv.DictReader(file):
                    digest.update(repr((line, file_stamp(line["path"]))).encode(errors="surrogateescape"))
        except OSError:
            return None
    return digest.hexdigest()[:16]


def targets(content: object) -> Iterator[str]:
    """The `_target_`s of a resolved config."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            if name == "_target_":
                yield str(value)
            else:
                yield from targets(value)
    elif isinstance(content, list):
        for value in content:
            yield from targets(value)


def may_change(encoder: str) -> bool:
    """True for a name of the Hugging Face hub, whose repository may have new weights."""
    return encoder.startswith(HUB) and not Path(encoder.removeprefix(HUB)).exists()


def texts_in(content: object) -> Iterator[str]:
    """The strings of a resolved config."""
    if isinstance(content, str):
        yield content
    for value in content.values() if isinstance(content, Mapping) else content if isinstance(content, list) else ():
        yield from texts_in(value)


def named_paths(content: object) -> Iterator[Path]:
    """The existing files and folders named by strings of a resolved config."""
    for text in texts_in(content):
        if text and Path(text.removeprefix(HUB)).exists():
            yield Path(text.removeprefix(HUB))


def stamps(path: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[bytes]:
    """Name, size and time of a file, or of each file below a folder, links followed."""
    if not path.is_dir():
        yield repr((str(path), file_stamp(path))).encode(errors="surrogateescape")
        return
    status = path.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in above or path.name == "__pycache__":  # a link may lead to a folder above
        return
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                yield from stamps(Path(entry.path), above | {identity})
            else:
                yield repr((entry.path, file_stamp(entry.path))).encode(errors="surrogateescape")
