"""Which encoder a run exports and evaluates."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.unit.callback.stage import trainer

from vclr_pl.callback.best_encoder import BestEncoder
from vclr_pl.callback.checkpoint import AtomicCheckpointIO, BestCheckpoint
from vclr_pl.callback.evaluation import EncoderEvaluation
from vclr_pl.types import InputError


def ended(tmp_path: Any, *, export_best: bool | str, start: str, best_step: int, **changes: Any) -> tuple[BestEncoder, float]:
    """A run of 30 steps whose last encoder has the weight 30, and its best checkpoint that of `best_step`."""
    evaluation = EncoderEvaluation(enabled=True, baseline=True, precision="32-true", frames_per_pass=8, unlabeled_videos=6, measures={})
    evaluation.baseline_name = start
    best = BestCheckpoint(folder=str(tmp_path), monitor="val/knn_train_top1", monitor_without_labels="val/copy_top1")
    path = tmp_path / "best.ckpt"
    torch.save({"global_step": best_step, "epoch": 1, "state_dict": {"encoder.weight": torch.tensor([float(best_step)])}}, path)
    best.best_model_path, best.best_model_score = str(path), torch.tensor(70.0)
    callback = BestEncoder(export_best=export_best)
    module: Any = SimpleNamespace(encoder=torch.nn.ParameterDict({"weight": torch.nn.Parameter(torch.tensor([30.0]))}))
    stage = trainer(global_step=30, current_epoch=3, callbacks=[evaluation, best, callback], **changes)
    stage.strategy.checkpoint_io = AtomicCheckpointIO()
    callback.on_train_end(stage, module)
    return callback, float(module.encoder["weight"].detach())


@pytest.mark.parametrize(
    ("export_best", "start", "best_step", "expected"),
    [
        ("auto", "start: ImageNet weights", 20, 20),
        ("auto", "start: ImageNet weights", 30, 30),
        ("auto", "random initialization", 20, 30),
        (False, "start: ImageNet weights", 20, 30),
        (True, "random initialization", 20, 20),
    ],
)
def test_the_encoder_that_is_exported(tmp_path, export_best, start, best_step, expected, caplog):
    with caplog.at_level("INFO"):
        callback, weight = ended(tmp_path, export_best=export_best, start=start, best_step=best_step)
    assert (callback.step, weight) == (expected, expected)
    assert callback.epoch == (2 if expected == 20 else 3)
    assert ("the encoder of step 20 is exported" in caplog.text) == (expected == 20)


def test_a_trial_run_exports_nothing(tmp_path):
    assert ended(tmp_path, export_best=True, start="start: a", best_step=20, fast_dev_run=True)[1] == 30


def test_another_value_is_refused():
    with pytest.raises(InputError, match="got best"):
        BestEncoder(export_best="best")
