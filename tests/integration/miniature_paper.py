"""Every data set of the paper in its official layout, in miniature, and the options that make its trainings as small."""

from __future__ import annotations

from pathlib import Path

import torch
from tests.video_fixture import make_activitynet, make_hmdb51, make_kinetics400, make_ssv2, make_ucf101

from vclr_pl.backbone.resnet import SmallResNet
from vclr_pl.runner.python_call import in_grammar

WIDTHS = [4, 8]
ROOTS = {
    "kinetics400": make_kinetics400,
    "ucf101": make_ucf101,
    "hmdb51": make_hmdb51,
    "ssv2": make_ssv2,
    "activitynet": make_activitynet,
}
TRAINED = {
    "trainer": "cpu",
    "trainer.max_epochs": 2,
    "trainer.precision": "32-true",
    "loader.batch_size": 2,
    "loader.workers": 0,
    "transform.size_pixels": 32,
    "callback.run_page": None,
}
READ = {"trainer": "cpu", "loader.workers": 0, "protocol.frames": 2, "bootstrap.resamples": 20}
OPTIONS = {
    "train": {
        **TRAINED,
        "loader.global_batch_size": None,
        "backbone": "small_resnet",
        "backbone.widths": WIDTHS,
        "head.dim": 8,
        "queue.inter.length": 8,
        "queue.segment.length": 8,
        "evaluation.enabled": False,
        "callback.knn_monitor": None,
        "callback.view_grid": None,
    },
    "finetune": {
        **TRAINED,
        "trainer.max_epochs": 1,
        "trainer.limit_train_batches": 1,
        "transform.short_side_pixels": 36,
        "evaluation_view.short_side_pixels": 36,
        "evaluation_view.crop_pixels": 32,
        "evaluation_view.segments": 8,
        "bootstrap.resamples": 20,
    },
    "evaluate": {**READ, "page": None},
    "compare": READ,
    "localize": {
        "trainer": "cpu",
        "trainer.max_epochs": 1,
        "loader.workers": 0,
        "localizer": "small_bmn",
        "localizer.samples": 4,
        "localizer.hidden_1d": 8,
        "localizer.hidden_2d": 4,
        "localizer.hidden_3d": 8,
        "resampling.positions": 8,
        "batches.batch_size": 2,
        "page": None,
    },
}


def miniature(folder: Path) -> list[str]:
    """The data sets and a MoCo v2 file below `folder`; the options of `reproduce` for them, and for places below it."""
    roots = [f"roots.{name}={make(folder / name)}" for name, make in ROOTS.items()]
    places = [f"paths.{name}={folder / name}" for name in ("runs", "data")]
    return [
        *roots,
        f"weights.moco_v2={write_moco(folder / 'moco_v2.pth.tar')}",
        *places,
        *(f"options.{command}={in_grammar(of)}" for command, of in OPTIONS.items()),
    ]


def write_moco(path: Path) -> Path:
    """MoCo's names for the miniature network."""
    torch.manual_seed(3)
    network = SmallResNet(widths=WIDTHS, stem_stride=2)
    head = torch.nn.Sequential(torch.nn.Linear(WIDTHS[-1], WIDTHS[-1]), torch.nn.ReLU(), torch.nn.Linear(WIDTHS[-1], 8))
    state = {f"module.encoder_q.{name}": tensor for name, tensor in network.state_dict().items()}
    state |= {f"module.encoder_q.fc.{name}": tensor for name, tensor in head.state_dict().items()}
    torch.save({"state_dict": state}, path)
    return path
