"""`check` decodes every video file of a data set; `prepare` copies a data set with videos that decode several times as fast."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.callback.progress import watched
from vclr_pl.command.result import CheckResult, PrepareResult
from vclr_pl.data.copied_file import CopiedFile, summary
from vclr_pl.data.fetch_ahead import followed
from vclr_pl.datasets.manifest import VideoSplits
from vclr_pl.datasets.video_file import local_file
from vclr_pl.report.tables import RowTable
from vclr_pl.runner.provenance import write_config
from vclr_pl.types import InputError
from vclr_pl.video.readability import Readability

logger = logging.getLogger(__name__)

LISTED = 20


def check(config: DictConfig) -> CheckResult:
    """Decode the files of all splits and write check.csv."""
    splits = instantiate(config.data)
    paths, remote = paths_of(splits), splits.train.remote
    rows = instantiate(config.reading)(paths=followed(paths, remote=remote), local_file=functools.partial(local_file, remote=remote))
    write_config(config, Path(config.paths.run))
    output = Path(config.paths.run) / "check.csv" if config.output is None else Path(config.output).expanduser()
    with RowTable(path=output, row_type=Readability) as table:
        for row in watched(rows, total=len(paths), doing="reading", is_bad=lambda row: not row.is_readable, bad="unreadable"):
            table.add(row)
    table.sort(order=paths)
    log_unreadable(table.rows, output=output)
    unreadable = tuple(row.path for row in table.rows if not row.is_readable)
    return CheckResult(table=output, files=len(paths), unreadable=unreadable)


def paths_of(splits: VideoSplits) -> list[str]:
    """Each file once, in the order of the lists. A file may contain several of the videos."""
    manifests = [manifest for manifest in (splits.train, splits.test) if manifest is not None]
    return list(dict.fromkeys(manifest.path(index) for manifest in manifests for index in range(len(manifest))))


def log_unreadable(rows: Sequence[Readability], *, output: Path) -> None:
    """Log the first unreadable files with their errors, and the counts."""
    broken = [row for row in rows if not row.is_readable]
    for row in broken[:LISTED]:
        read = f" (after {row.frames} frames)" if row.frames else ""
        logger.warning("%s: %s: %s%s", row.path, row.backend, row.reason, read)
    if len(broken) > LISTED:
        logger.warning("and %d more", len(broken) - LISTED)
    frames = sum(row.frames for row in rows if row.is_readable)
    logger.info("%d of %d files are readable, %d frames; %d are not. %s", len(rows) - len(broken), len(rows), frames, len(broken), output)


def prepare(config: DictConfig) -> PrepareResult:
    """Copy the folder, write prepare.csv, and check that the copy has as many videos."""
    original = instantiate(config.data)
    copy = instantiate(config.set_copy)
    files = copy.plan(root=config.data.root, output=config.output)
    report = Path(config.paths.run) / "prepare.csv"
    write_config(config, report.parent)
    with RowTable(path=report, row_type=CopiedFile) as table:
        rows = copy.copy(files, root=config.data.root, output=config.output)
        for row in watched(rows, total=len(files), doing="copying", is_bad=lambda row: row.failed, bad="kept"):
            table.add(row)
    table.sort(order=files)
    failed = [row for row in table.rows if row.failed]
    for row in failed[:LISTED]:
        logger.warning("copied unchanged: %s: %s", row.path, row.reason)
    logger.info("%s. %s", summary(table.rows), report)
    refuse_fewer(original, instantiate(config.data, root=config.output), output=config.output)
    return PrepareResult(folder=Path(config.output), table=report, files=len(files), kept=tuple(row.path for row in failed))


def refuse_fewer(original: VideoSplits, copy: VideoSplits, *, output: str) -> None:
    """Raise InputError if the copy has fewer videos. Links to one file count once in the original and become separate files in the copy."""
    for name in ("train", "test"):
        lengths = [len(getattr(splits, name) or ()) for splits in (original, copy)]
        if lengths[1] < lengths[0]:
            raise InputError(
                expected=f"{lengths[0]} videos of '{name}' in '{output}'",
                got=str(lengths[1]),
                hint="Another process writes to one of the folders. Repeat the command when that process has ended.",
            )
