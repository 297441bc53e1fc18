"""`python -m vclr_pl.check`: read every file of a data set ahead, and say of each what is wrong or how many frames it holds.

Exit status 0 when all are readable, 1 when some are not, 2 for bad usage.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.callback.progress import watched
from vclr_pl.datasets.manifest import VideoSplits
from vclr_pl.report.tables import RowTable
from vclr_pl.runner.build import write_config
from vclr_pl.runner.run import run
from vclr_pl.video.readability import Readability

logger = logging.getLogger(__name__)

LISTED = 20
UNREADABLE_EXIT_CODE = 1


def check(config: DictConfig) -> None:
    """Read the files of all splits, write check.csv, and leave with 1 where one of them cannot be read."""
    paths = paths_of(instantiate(config.data))
    rows = instantiate(config.reading)(paths=paths)
    write_config(config, Path(config.paths.run))
    output = Path(config.paths.run) / "check.csv" if config.output is None else Path(config.output).expanduser()
    with RowTable(path=output, row_type=Readability) as table:
        for row in watched(rows, total=len(paths), doing="reading", is_bad=lambda row: not row.is_readable, bad="unreadable"):
            table.add(row)
    table.sort(order=paths)
    if summarize(table.rows, output=output):
        sys.exit(UNREADABLE_EXIT_CODE)


def paths_of(splits: VideoSplits) -> list[str]:
    """Each file once, though it may hold several of the videos, in the order of the lists."""
    manifests = [manifest for manifest in (splits.train, splits.test) if manifest is not None]
    return list(dict.fromkeys(manifest.path(index) for manifest in manifests for index in range(len(manifest))))


def summarize(rows: list[Readability], *, output: Path) -> int:
    """Says what was found; returns how many files are unreadable."""
    broken = [row for row in rows if not row.is_readable]
    for row in broken[:LISTED]:
        read = f" (after {row.frames} frames)" if row.frames else ""
        logger.warning("%s: %s: %s%s", row.path, row.backend, row.reason, read)
    if len(broken) > LISTED:
        logger.warning("and %d more", len(broken) - LISTED)
    frames = sum(row.frames for row in rows if row.is_readable)
    logger.info("%d of %d files are readable, %d frames; %d are not. %s", len(rows) - len(broken), len(rows), frames, len(broken), output)
    return len(broken)


def main() -> None:
    sys.exit(run(check, config_name="check"))


if __name__ == "__main__":
    main()
