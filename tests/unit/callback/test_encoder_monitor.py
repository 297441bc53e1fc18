"""The monitor of the encoder: when it reads, and what it logs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.unit.callback.labeled_data import data
from tests.unit.callback.stage import Logged, trainer

from vclr_pl.callback.best_encoder import BestEncoder
from vclr_pl.callback.encoder_monitor import EncoderMonitor
from vclr_pl.callback.evaluation import EncoderEvaluation
from vclr_pl.evaluation.copy_retrieval import CopyRetrieval
from vclr_pl.evaluation.neighbors import NearestNeighbor
from vclr_pl.evaluation.rank_me import RankMe
from vclr_pl.types import InputError


def monitor(**changes):
    options = {"every_n_epochs": 2, "precision": "32-true", "frames_per_pass": 4, "unlabeled_videos": 6} | changes
    free = {"rank_me": RankMe(), "made_copies": CopyRetrieval(videos=3, with_labels=False)}
    return EncoderMonitor(measure=NearestNeighbor(neighbors=2, temperature=0.1), label_free=free, **options)


def evaluation(name, **baseline):
    callback = EncoderEvaluation(enabled=True, baseline=True, precision="32-true", frames_per_pass=4, unlabeled_videos=6, measures={})
    callback.baseline_name, callback.baseline = name, baseline
    return callback


@pytest.mark.parametrize(
    ("changes", "is_read"),
    [
        ({"current_epoch": 1}, True),
        ({"current_epoch": 0}, False),
        ({"current_epoch": 5, "max_epochs": 6}, False),  # the evaluation follows
        ({"current_epoch": 1, "fast_dev_run": True}, False),
    ],
)
def test_it_reads_every_n_epochs(changes, is_read):
    module = Logged()
    monitor().on_train_epoch_end(trainer(**({"max_epochs": 9, "datamodule": data()} | changes)), module)
    assert (module.values != {}) == is_read


def test_with_labels_it_logs_knn_of_test_and_training_videos_and_what_needs_no_labels():
    module = Logged()
    monitor().on_train_epoch_end(trainer(max_epochs=9, current_epoch=1, datamodule=data()), module)
    rank = module.values.pop("val/rank_me")
    assert 1 < rank < 2
    assert module.values == {"val/knn_top1": 100.0, "val/knn_train_top1": 100.0}


def test_without_labels_it_logs_what_needs_none():
    module = Logged()
    monitor().on_train_epoch_end(trainer(max_epochs=9, current_epoch=1, datamodule=data(labeled=False)), module)
    assert sorted(module.values) == ["val/copy_top1", "val/rank_me"]


def test_training_videos_are_compared_with_one_another_only():
    """The lone video of a third class can only be wrong, and so is the video to which it is the nearest."""
    odd = data()
    plain = odd.evaluation_dataloader

    def lone(split, **chosen):
        for batch in plain(split, **chosen):
            batch.label[0] = 2
            yield batch

    odd.evaluation_dataloader = lone
    module = Logged()
    monitor().on_train_epoch_end(trainer(max_epochs=9, current_epoch=1, datamodule=odd), module)
    assert module.values["val/knn_train_top1"] == pytest.approx(100 * 4 / 6)


@pytest.mark.parametrize(
    ("start", "export_best", "readings"), [("start: a", "auto", 3), ("random initialization", "auto", 2), ("start: a", False, 2)]
)
def test_the_last_epoch_is_read_where_the_best_is_exported(start, export_best, readings):
    stage = trainer(max_epochs=6, datamodule=data(), callbacks=[evaluation(start), BestEncoder(export_best=export_best)])
    assert monitor().readings(stage, epochs=6) == readings
    assert monitor(every_n_epochs=7).readings(stage, epochs=6) == 0  # nothing to choose from


@pytest.mark.parametrize(("steps", "is_read"), [(12, True), (13, False), (-1, False)])
def test_the_last_encoder_of_a_run_that_steps_end_competes_with_the_best(steps: int, is_read: bool) -> None:
    callbacks = [evaluation("start: a"), BestEncoder(export_best="auto")]
    module = Logged()
    stage = trainer(max_epochs=100, max_steps=steps, global_step=12, current_epoch=2, datamodule=data(), callbacks=callbacks)
    monitor().on_train_epoch_end(stage, module)
    assert (module.values != {}) == is_read


@pytest.mark.parametrize(
    ("start", "step", "expected"), [("start: a", 0, [(0, 41.0)]), ("start: a", 3, []), ("random initialization", 0, [])]
)
def test_the_start_is_logged_at_step_0(start, step, expected):
    logged = []
    logger = SimpleNamespace(log_metrics=lambda values, step: logged.append((step, values["val/knn_top1"])))
    found = evaluation(start, knn_top1=41.0, retrieval_r1=3.0)
    monitor().on_train_start(trainer(datamodule=data(), global_step=step, loggers=[logger], callbacks=[found]), Logged())
    assert logged == expected


def test_a_start_that_was_not_evaluated_is_read():
    logged = {}
    logger = SimpleNamespace(log_metrics=lambda values, step: logged.update(values))
    monitor().on_train_start(trainer(datamodule=data(), loggers=[logger], callbacks=[evaluation("start: a")]), Logged())
    assert logged["val/knn_top1"] == 100.0


def test_an_unknown_precision_is_told_before_training():
    with pytest.raises(InputError, match="got bf16-true"):
        monitor(precision="bf16-true")
    monitor(precision="bf16-true", every_n_epochs=0)
