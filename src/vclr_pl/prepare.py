"""`python -m vclr_pl.prepare`: copy a data set with smaller videos and keyframes close together, which read several times as fast.

Exit status 0 when every video was re-encoded, 1 when some do not decode and were kept as they are, 2 for bad usage.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.callback.progress import watched
from vclr_pl.data.prepare import CopiedFile, summary
from vclr_pl.datasets.manifest import VideoSplits
from vclr_pl.report.tables import RowTable
from vclr_pl.runner.build import write_config
from vclr_pl.runner.run import run
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

LISTED = 20
KEPT_EXIT_CODE = 1


def prepare(config: DictConfig) -> None:
    """Copy the folder, write prepare.csv, see that the layout reads from the copy, and leave with 1 where a video was kept."""
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
    for row in [row for row in table.rows if row.failed][:LISTED]:
        logger.warning("kept as it is: %s: %s", row.path, row.reason)
    logger.info("%s. %s", summary(table.rows), report)
    refuse_fewer(original, instantiate(config.data, root=config.output), output=config.output)
    if any(row.failed for row in table.rows):
        sys.exit(KEPT_EXIT_CODE)


def refuse_fewer(original: VideoSplits, copy: VideoSplits, *, output: str) -> None:
    """Raises InputError where the layout finds fewer videos in the copy; links to one file, read once, are files of their own there."""
    for name in ("train", "test"):
        lengths = [len(getattr(splits, name) or ()) for splits in (original, copy)]
        if lengths[1] < lengths[0]:
            raise InputError(
                expected=f"{lengths[0]} videos of '{name}' in '{output}'",
                got=str(lengths[1]),
                hint="Something else writes to one of the folders: let it finish, and repeat the command.",
            )


def main() -> None:
    sys.exit(run(prepare, config_name="prepare"))


if __name__ == "__main__":
    main()
