"""`localize` finds actions in untrimmed videos."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from vclr_pl.command.result import LocalizeResult
from vclr_pl.report.record import RESULTS, read_record
from vclr_pl.runner.localization import Localization


def localize(config: DictConfig) -> LocalizeResult:
    """Run the stages listed in `stages`: features, resampling, training, proposals, metrics, pages."""
    Localization(config).run()
    folder = Path(config.paths.run)
    results, page = folder / RESULTS, folder / "pages" / "index.html"
    record = read_record(results) if results.is_file() else None
    return LocalizeResult(
        folder=folder,
        metrics={} if record is None else record.metrics,
        baseline={} if record is None else record.baseline,
        results=None if record is None else results,
        page=page if page.is_file() else None,
    )
