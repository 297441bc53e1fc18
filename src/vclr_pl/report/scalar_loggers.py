"""The result of an evaluation in the loggers of a run; TensorBoard and MLflow, which get it as scalars."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytorch_lightning.loggers import MLFlowLogger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from vclr_pl.report.logged_run import keep_logged_run, logged_run
from vclr_pl.types import InputError

URI = "MLFLOW_TRACKING_URI"
OWN_URIS: set[str] = set()  # of earlier runs of this process: mlflow writes the one in use into the variable
Intervals = Mapping[str, tuple[float, float]]


def summary_scalars(*, metrics: Mapping[str, float], baseline: Mapping[str, float], intervals: Intervals) -> dict[str, float]:
    """`evaluation/NAME`, its `baseline/`, the `gain/` over it, and the ends of its interval."""
    gain = {name: metrics[name] - value for name, value in baseline.items() if name in metrics}
    ends = {f"interval/{name}_{end}": value for name, both in intervals.items() for end, value in zip(("low", "high"), both, strict=True)}
    groups = {"evaluation": metrics, "baseline": baseline, "gain": gain}
    return {f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()} | ends


class TensorBoardRun(TensorBoardLogger):
    """Writes events into `SAVE_DIR/tensorboard`: scalars, and at the end the options beside the results (tab HPARAMS)."""

    def __init__(self, *, save_dir: str) -> None:
        super().__init__(save_dir=save_dir, name="", version="tensorboard", default_hp_metric=False, purge_step=0)
        self.last_step = 0

    def continue_from(self, *, step: int, rows: int | None) -> None:  # noqa: ARG002
        """TensorBoard hides what earlier starts have logged of step `step` and later, counted from 0."""
        self._kwargs["purge_step"] = step

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.last_step = max(self.last_step, step or 0)
        super().log_metrics(dict(metrics), step)

    @rank_zero_only
    def log_evaluation(
        self,
        *,
        metrics: Mapping[str, float],
        baseline: Mapping[str, float],
        intervals: Intervals,
        page: Path | None,  # noqa: ARG002
    ) -> None:
        """Log the metrics with their baseline, gain and interval."""
        scalars = summary_scalars(metrics=metrics, baseline=baseline, intervals=intervals)
        self.log_hyperparams(dict(self.hparams), scalars, self.last_step)
        self.experiment.close()  # flushes; Lightning has closed the file at the end of training already


class MLflowRun(MLFlowLogger):
    """A run of MLflow; the page of the evaluation is an artifact of it.

    Args:
        experiment: name of the experiment; it is created if it does not exist.
        name: of the run.
        tracking_uri: server or database.
        artifacts: folder of the artifacts of a new experiment; None for the server's.
        run_id: of the run that an earlier start has begun; None begins one.
        folder: the run folder, which keeps the id.
    """

    def __init__(self, *, experiment: str, name: str, tracking_uri: str, artifacts: str | None, run_id: str | None, folder: str) -> None:
        super().__init__(experiment_name=experiment, run_name=name, tracking_uri=tracking_uri, artifact_location=artifacts, run_id=run_id)
        self.last_step, self.is_continued, self.folder = 0, run_id is not None, folder

    @rank_zero_only
    def log_hyperparams(self, *values: Any) -> None:
        """Log the options at the first start: MLflow refuses other values later."""
        if not self.is_continued:
            super().log_hyperparams(*values)
            keep_logged_run(self.folder, kind="mlflow", name=str(self.run_id))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.last_step = max(self.last_step, step or 0)
        super().log_metrics(metrics, step)

    @rank_zero_only
    def log_evaluation(
        self, *, metrics: Mapping[str, float], baseline: Mapping[str, float], intervals: Intervals, page: Path | None
    ) -> None:
        """Log the metrics with their baseline, gain and interval, and the page."""
        self.log_metrics(summary_scalars(metrics=metrics, baseline=baseline, intervals=intervals), self.last_step)
        if page is not None:
            self.experiment.log_artifact(self.run_id, str(page))


def tensorboard_logger(*, save_dir: str) -> TensorBoardRun:
    """
    Raises:
        InputError: the package is not installed.
    """
    _require("tensorboard")
    return TensorBoardRun(save_dir=save_dir)


def mlflow_logger(
    *, experiment: str, name: str, tracking_uri: str | None, folder: str, save_dir: str | None = None, resume: str | None = None
) -> MLflowRun:
    """A run on the server or in the database `tracking_uri`; None takes the variable MLFLOW_TRACKING_URI, else a database in `folder`.

    Args:
        save_dir: the run folder; None for `folder`.
        resume: of the training. Unless it is None, the MLflow run of an earlier start in `save_dir` is continued.

    Raises:
        InputError: the package is not installed.
    """
    _require("mlflow")
    uri = tracking_uri or os.environ.get(URI)
    run_folder = save_dir or folder
    kept: dict[str, Any] = {"folder": run_folder, "run_id": None if resume is None else logged_run(run_folder, kind="mlflow")}
    if uri is not None and uri not in OWN_URIS:
        return MLflowRun(experiment=experiment, name=name, tracking_uri=uri, artifacts=None, **kept)
    own = Path(folder).absolute()
    own.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{own / 'mlflow.db'}"
    OWN_URIS.add(uri)
    return MLflowRun(experiment=experiment, name=name, tracking_uri=uri, artifacts=str(own / "artifacts"), **kept)


def _require(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        hint = f"Run pip install {package}, or choose another logger: logger=csv."
        raise InputError(expected=f"the package {package}, for logger={package}", got="an environment without it", hint=hint)


def log_evaluation(
    loggers: Sequence[Any],
    *,
    metrics: Mapping[str, float],
    page: Path | None,
    baseline: Mapping[str, float] = MappingProxyType({}),
    intervals: Intervals = MappingProxyType({}),
) -> None:
    """Log the metrics with their baseline and intervals, and the page, to every logger that has a summary."""
    for one in loggers:
        if hasattr(one, "log_evaluation"):
            one.log_evaluation(metrics=metrics, baseline=baseline, intervals=intervals, page=page)
