from __future__ import annotations

import pytest
from tests.unit.callback.labeled_data import data
from tests.unit.callback.stage import Logged, trainer

from vclr_pl.callback.encoder_monitor import EncoderMonitor
from vclr_pl.evaluation.neighbors import NearestNeighbor
from vclr_pl.types import InputError


@pytest.mark.parametrize(
    ("changes", "is_read"),
    [
        ({"current_epoch": 1}, True),
        ({"current_epoch": 0}, False),
        ({"current_epoch": 5, "max_epochs": 6}, False),  # the evaluation follows
        ({"current_epoch": 1, "fast_dev_run": True}, False),
        ({"current_epoch": 1, "datamodule": data(labeled=False)}, False),
    ],
)
def test_it_reads_every_n_epochs_where_there_are_labels(changes, is_read):
    monitor = EncoderMonitor(
        measure=NearestNeighbor(neighbors=2, temperature=0.1), every_n_epochs=2, precision="32-true", frames_per_pass=4, unlabeled_videos=6
    )
    module = Logged()
    monitor.on_train_epoch_end(trainer(**({"max_epochs": 9, "datamodule": data()} | changes)), module)
    assert module.values == ({"val/knn_top1": 100.0} if is_read else {})


def test_an_unknown_precision_is_told_before_training():
    with pytest.raises(InputError, match="got bf16-true"):
        EncoderMonitor(
            measure=NearestNeighbor(neighbors=2, temperature=0.1),
            every_n_epochs=2,
            precision="bf16-true",
            frames_per_pass=4,
            unlabeled_videos=6,
        )
    EncoderMonitor(
        measure=NearestNeighbor(neighbors=2, temperature=0.1),
        every_n_epochs=0,
        precision="bf16-true",
        frames_per_pass=4,
        unlabeled_videos=6,
    )
