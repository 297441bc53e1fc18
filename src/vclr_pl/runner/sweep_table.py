"""One table of all runs of a sweep, as a Hydra callback."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import rich
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from vclr_pl.files import write_whole
from vclr_pl.report.compared_runs import ComparedRun, over_seeds, run_of_job
from vclr_pl.report.comparison import comparison_markdown
from vclr_pl.report.comparison_table import print_comparison
from vclr_pl.report.record import RESULTS, read_record
from vclr_pl.text import readable

TABLE_FILE = "sweep_table.md"
OVER_SEEDS = "mean over seeds, and its 95% interval"


class SweepTable(Callback):  # type: ignore[misc]
    """Collects every job's results.json; writes sweep_table.md after each job, so that a broken sweep keeps it; prints it at the end.

    A second table has the mean and the interval over seeds, if jobs differ in their seed alone.
    """

    def __init__(self) -> None:
        self.jobs: list[ComparedRun] = []
        self.folder: Path | None = None

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        self.folder = Path(config.hydra.sweep.dir)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if self.folder is None or config.get("plan"):
            return
        folder = Path(config.hydra.runtime.output_dir)
        is_done = job_return.status == JobStatus.COMPLETED and (folder / RESULTS).is_file()
        record = read_record(folder / RESULTS) if is_done else None
        overrides = list(job_return.overrides or [])
        self.jobs.append(run_of_job(number=len(self.jobs), overrides=overrides, folder=folder, record=record))
        tables = [comparison_markdown(self.jobs)]
        tables += [f"{OVER_SEEDS}:\n\n{comparison_markdown(means)}"] if (means := self._means()) else []
        write_whole(self.folder / TABLE_FILE, readable("\n".join(tables)))

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:  # noqa: ARG002
        if self.folder is None or not self.jobs:
            return
        console = rich.get_console()
        print_comparison(self.jobs, title="sweep", console=console)
        if means := self._means():
            print_comparison(means, title=OVER_SEEDS, console=console)
        console.print(f"{self.folder / TABLE_FILE}", soft_wrap=True, highlight=False, markup=False)
        words = ["python", "-m", "vclr_pl.report", str(self.folder), "--output", str(self.folder / "comparison.html")]
        console.print(f"curves over one another: {shlex.join(words)}", soft_wrap=True, highlight=False, markup=False)

    def _means(self) -> list[ComparedRun]:
        """The jobs of all seeds together; empty if each has one seed."""
        means = over_seeds(self.jobs)
        return means if len(means) < len(self.jobs) else []
