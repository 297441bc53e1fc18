"""`check` decodes every video file of a data set; `prepare` copies a data set with videos that decode several times as fast."""

from __future__ import annotations

import functools
import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.callback.progress import watched
from vclr_pl.command.parts import is_empty, rows_of_parts
from vclr_pl.command.result import CheckResult, PrepareResult
from vclr_pl.data.copied_file import CopiedFile, summary
from vclr_pl.data.fetch_ahead import followed
from vclr_pl.datasets.manifest import VideoSplits
from vclr_pl.datasets.video_file import local_file
from vclr_pl.remote.path import RemotePath
from vclr_pl.report.tables import RowTable, write_rows
from vclr_pl.runner.provenance import write_config
from vclr_pl.store import Part, ResumableFolder
from vclr_pl.types import InputError
from vclr_pl.video.readability import Readability

logger = logging.getLogger(__name__)

LISTED = 20


def check(config: DictConfig) -> CheckResult:
    """Decode the files of all splits and write check.csv; with a part, when all parts are finished."""
    splits = instantiate(config.data)
    paths, remote = paths_of(splits), splits.train.remote
    output = Path(config.paths.run) / "check.csv" if config.output is None else Path(config.output).expanduser()

    def rows(paths: list[str]) -> Iterator[Readability]:
        read = instantiate(config.reading)(paths=followed(paths, remote=remote), local_file=functools.partial(local_file, remote=remote))
        return watched(read, total=len(paths), doing="reading", is_bad=lambda row: not row.is_readable, bad="unreadable")

    write_config(config, Path(config.paths.run))
    if (part := Part.of(config.part)) is not None:
        return _checked_part(config, paths, part=part, rows=rows)
    with RowTable(path=output, row_type=Readability) as table:
        for row in rows(paths):
            table.add(row)
    table.sort(order=paths)
    return _checked(table.rows, output=output, files=len(paths))


def _checked_part(config: DictConfig, paths: list[str], *, part: Part, rows: Callable[[list[str]], Iterator[Readability]]) -> CheckResult:
    """Decode a part of the files. Their rows are kept in the folder `<output>.parts` until the last part writes the table."""
    if config.output is None:
        raise InputError(expected="output=FILE, which all parts share", got="none", hint="Set output=check.csv.")
    output = Path(config.output).expanduser()
    if is_empty(part, paths):  # the table may be there already, and its folder of parts removed
        return CheckResult(table=output, files=len(paths))
    store = ResumableFolder(output.with_name(f"{output.name}.parts"), description="check.json", part=part)
    digest = hashlib.sha256("\n".join(paths).encode(errors="surrogateescape")).hexdigest()[:16]
    store.begin({"list": digest, "files": len(paths)}, content="a table", hint="Set output=FILE to another file.")
    with store.exclusive():
        table = rows_of_parts(store, part=part, names=paths, row_type=Readability, rows=rows)
    if table is None:
        return CheckResult(table=output, files=len(paths))
    write_rows(output, table, row_type=Readability)
    shutil.rmtree(store.path, ignore_errors=True)
    return _checked(table, output=output, files=len(paths))


def _checked(rows: Sequence[Readability], *, output: Path, files: int) -> CheckResult:
    log_unreadable(rows, output=output)
    return CheckResult(table=output, files=files, unreadable=tuple(row.path for row in rows if not row.is_readable))


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
    """Copy the folder, write prepare.csv, and check that the copy has as many videos; with a part, when all parts are finished."""
    original = instantiate(config.data)
    root = config.data.root if original.train.remote is None else RemotePath(original.train.remote)
    copy = instantiate(config.set_copy)
    files = copy.plan(root=root, output=config.output)
    report = Path(config.paths.run) / "prepare.csv"
    write_config(config, report.parent)

    def rows(files: list[str]) -> Iterator[CopiedFile]:
        copied = copy.copy(files, root=root, output=config.output)
        return watched(copied, total=len(files), doing="copying", is_bad=lambda row: row.failed, bad="kept")

    found = PrepareResult(folder=Path(config.output), table=report, files=len(files))
    if copy.part is not None:
        store = copy.store(config.output)
        table = rows_of_parts(store, part=copy.part, names=files, row_type=CopiedFile, rows=rows)
        if table is None:
            return found
        write_rows(report, table, row_type=CopiedFile)
        store.remove_journals()
    else:
        with RowTable(path=report, row_type=CopiedFile) as growing:
            for row in rows(files):
                growing.add(row)
        growing.sort(order=files)
        table = growing.rows
    failed = [row for row in table if row.failed]
    for row in failed[:LISTED]:
        logger.warning("copied unchanged: %s: %s", row.path, row.reason)
    logger.info("%s. %s", summary(table), report)
    refuse_fewer(original, instantiate(config.data, root=config.output), output=config.output)
    return replace(found, kept=tuple(row.path for row in failed))


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
