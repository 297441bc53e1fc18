"""The runs whose curves are stored: three configurations that together have every term, both encodings and both optimizers.

They are small (32 pixels, 144 to 160 videos, two epochs) and take about five seconds each on one core. Weight decay is stronger than in
practice, the queues are full after four steps, and the warmup is an epoch: so few steps show a fault in them. The learning rate is low:
with four times as much, rounding errors grow to 0.1 within the run, and R@1 differs by five queries between processors.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vclr_pl.report.golden import EVALUATED, Bound
from vclr_pl.runner.run import run
from vclr_pl.train import train

COMMON = [
    "experiment=demo",
    "seed=0",
    "data.test_videos_per_class=6",
    "data.frames=9",
    "data.size_pixels=40",
    "transform.size_pixels=32",
    "decoding=pyav",  # torchcodec needs FFmpeg
    "backbone.widths=[16,32,64]",
    "head.dim=32",
    "loader.batch_size=16",
    "loader.workers=0",
    "queue.default.length=64",
    "queue.inter.length=192",
    "queue.segment.length=64",
    "optimizer.weight_decay=0.1",
    "schedule.warmup_epochs=1",
    "trainer=cpu",
    "trainer.precision=32-true",
    "trainer.max_epochs=2",
    "trainer.log_every_n_steps=1",
    "runtime.threads=1",
    "evaluation=[retrieval,nearest_neighbor]",
    "callback.knn_monitor.every_n_epochs=1",
    "callback.run_page=null",
    "callback.view_grid=null",
    "page=null",
]
CONFIGURATIONS = {
    # the paper's four terms with SGD
    "vclr_composition": ["objective=vclr", "data.task=composition", "data.train_videos_per_class=16", "optimizer.lr=0.005"],
    # SeCo and the nearest-neighbor term, with the repairs of the release's faults, and the release's passes
    "seco_order": [
        "objective=seco",
        "+objective/term@objective.terms.nearest_neighbor=nearest_neighbor",
        "objective.terms.temporal_order.normalize_over=feature",
        "queue.default.initialization=unit",
        "queue.default.mask_own_video=true",
        "encoding=separate",
        "data.task=order",
        "data.train_videos_per_class=24",
        "momentum_encoder.momentum=0.9",
        "optimizer.lr=0.005",
    ],
    # continued pretraining on single frames: AdamW, rates by stage, a frozen stage, a rising momentum
    "inter_only_shape": [
        "objective=inter_only",
        "data.task=shape",
        "data.train_videos_per_class=16",
        "optimizer=adamw",
        "optimizer.lr=2.0e-3",
        "optimizer.weight_decay=1.0",
        "parameter_groups=layerwise",
        "freezing.stages=1",
        "momentum_encoder.copy_buffers=true",
        "momentum_encoder.final_momentum=1.0",
    ],
}

# How far a run may be from its golden curves: at the first step, its growth from step to step, and at most. docs/reproducing.md has the
# measurements behind them. AdamW with a frozen stage and one term is calmer than SGD with four.
LOSS = {"vclr_composition": Bound(5e-6, 1.9, 0.1), "seco_order": Bound(5e-6, 1.9, 0.1), "inter_only_shape": Bound(2e-6, 1.6, 0.1)}
RATE = Bound(1e-9, 1.0, 1e-9)
RESULT = Bound(3.4, 1.0, 3.4)  # percent: two queries of 60, or one of 36
RESULTS = ("retrieval_r1", "knn_top1", "knn_train_top1")


def bounds_of(name: str, metrics: Iterable[str]) -> dict[str, Bound]:
    """The bounds of those of the metrics, by their names in metrics.csv and results.json, that are compared."""
    bounds = {"train/lr": RATE, **dict.fromkeys(RESULTS, RESULT)}
    known = dict.fromkeys(metric.removeprefix(EVALUATED) for metric in metrics)
    return {
        metric: LOSS[name] if metric.startswith("train/loss") else bounds[metric]
        for metric in known
        if metric.startswith("train/loss") or metric in bounds
    }


def arguments_of(name: str, *, data: Path, folder: Path) -> list[str]:
    """The words of the command line of a configuration."""
    return [*COMMON, *CONFIGURATIONS[name], f"paths.data={data}", f"hydra.run.dir={folder}"]


def run_configuration(name: str, *, data: Path, folder: Path) -> None:
    """Train and evaluate into `folder`."""
    code = run(train, config_name="train", arguments=arguments_of(name, data=data, folder=folder))
    assert code == 0, f"the run of {name} ended with exit code {code}"


def golden_file(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.json")
