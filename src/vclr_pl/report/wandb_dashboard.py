"""A saved view of a W&B project: the panels of pretraining and of fine-tuning."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

PACKAGE = "wandb_workspaces"
STEP = "trainer/global_step"  # the x axis that Lightning gives every metric
NAME = "vclr_pl"


@dataclass(frozen=True)
class Panel:
    """A line plot of metrics. `pattern` is a regular expression of W&B, for names that depend on the objective's terms."""

    title: str
    metrics: tuple[str, ...] = ()
    pattern: str | None = None


SECTIONS: dict[str, tuple[Panel, ...]] = {
    "Results": (
        Panel("evaluation after training, percent", pattern="evaluation/.*"),
        Panel(
            "kNN and made copies during pretraining, test top-1 during fine-tuning, percent",
            metrics=("val/knn_top1", "val/copy_top1", "val/top1"),
        ),
    ),
    "Loss": (
        Panel("total loss", metrics=("train/loss",)),
        Panel("loss of each term", pattern="train/loss_.*"),
        Panel("learning rate", metrics=("train/lr",)),
    ),
    "Collapse": (
        Panel("similarity to positives and to other videos", pattern="train/.*_(positive|batch)_similarity"),
        Panel("own video found within the batch, percent", pattern="train/.*_batch_accuracy"),
    ),
    "Speed": (
        Panel("videos per second", metrics=("train/videos_per_second",)),
        Panel("time spent waiting for videos, percent", metrics=("train/data_wait_percent",)),
    ),
}


def is_installed() -> bool:
    """True if the package that writes saved views is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


def workspace(*, entity: str, project: str) -> Any:
    """The view, not saved yet."""
    reports, workspaces = (importlib.import_module(f"{PACKAGE}.{name}") for name in ("reports.v2", "workspaces"))
    sections = [
        workspaces.Section(
            name=name,
            is_open=True,
            panels=[reports.LinePlot(title=panel.title, x=STEP, y=list(panel.metrics), metric_regex=panel.pattern) for panel in panels],
        )
        for name, panels in SECTIONS.items()
    ]
    return workspaces.Workspace(name=NAME, entity=entity, project=project, sections=sections)


def save_dashboard(*, entity: str, project: str) -> str:
    """Save the view in the project; returns its address."""
    saved = workspace(entity=entity, project=project).save()
    return str(saved.url)
