"""One table of all runs of a sweep, as a Hydra callback."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rich
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from vclr_pl.files import write_whole
from vclr_pl.report.record import RESULTS, ResultRecord, read_record
from vclr_pl.report.tables import sweep_markdown, sweep_table
from vclr_pl.text import readable

TABLE_FILE = "sweep_table.md"


class SweepTable(Callback):  # type: ignore[misc]
    """Collects every job's results.json; writes sweep_table.md after each job, so that a broken sweep keeps it; prints it at the end."""

    def __init__(self) -> None:
        self.jobs: list[tuple[list[str], ResultRecord | None]] = []
        self.folder: Path | None = None

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        self.folder = Path(config.hydra.sweep.dir)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if self.folder is None:
            return
        results = Path(config.hydra.runtime.output_dir) / RESULTS
        is_done = job_return.status == JobStatus.COMPLETED and results.is_file()
        self.jobs.append((list(job_return.overrides or []), read_record(results) if is_done else None))
        write_whole(self.folder / TABLE_FILE, readable(sweep_markdown(named_rows(self.jobs))))

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:  # noqa: ARG002
        if self.folder is not None and self.jobs:
            rich.get_console().print(sweep_table(named_rows(self.jobs)))
            rich.get_console().print(f"{self.folder / TABLE_FILE}", soft_wrap=True, highlight=False)


def named_rows(jobs: Sequence[tuple[list[str], ResultRecord | None]]) -> list[tuple[str, ResultRecord | None]]:
    """Rows named by the overrides in which the jobs differ; by all of them where there is one job."""
    shared = set.intersection(*(set(overrides) for overrides, _ in jobs)) if len(jobs) > 1 else set()
    return [(", ".join(part for part in overrides if part not in shared) or "default", record) for overrides, record in jobs]
