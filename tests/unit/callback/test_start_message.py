from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from tests.unit.callback.stage import trainer

from vclr_pl.callback.start_message import StartMessage, excess, expectation
from vclr_pl.datasets.footage import Footage
from vclr_pl.optim.schedule import TrainingLength


class Pretraining(torch.nn.Module):
    """1.5 M parameters that learn, as many that follow, and queues of 768 and 256 rows of 1024 floats: 4 MiB."""

    def __init__(self, *, steps, warmup_epochs=1):
        super().__init__()
        self.encoder = torch.nn.Linear(1500, 1000, bias=False)
        self.momentum_encoder = torch.nn.Linear(1500, 1000, bias=False).requires_grad_(False)
        for name, length in (("inter", 768), ("segment", 256)):
            queue = torch.nn.Module()
            queue.register_buffer("keys", torch.zeros(length, 1024))
            queue.length = length
            self.add_module(name, queue)
        self.queues = ("inter", "segment")
        self.schedule = SimpleNamespace(warmup_epochs=warmup_epochs)
        self.queue_options = {"inter": "queue.inter", "segment": "queue.default"}
        self.length = TrainingLength(batch_size=32, world_size=1, accumulated_batches=1, steps_per_epoch=5, total_steps=steps)

    def queue_of(self, name):
        return getattr(self, name)

    def keys_per_video(self, *, segments):
        return {"inter": segments, "segment": 1}


def stage(*, videos, first=True, steps=100, **changes):
    module = Pretraining(steps=steps, **changes)
    footage = Footage(videos=videos, read=videos, total_seconds=1600.0, median_seconds=4.0)
    data = SimpleNamespace(
        manifest=lambda split: range(videos),
        segments=3,
        has_test=True,
        footage=lambda: footage,
        workers=2,
        batches_bytes=10**6,
        view_shape=None,
    )
    return trainer(datamodule=data, is_global_zero=first), module


def test_it_says_what_to_expect_of_the_loss(caplog):
    with caplog.at_level(logging.INFO):
        StartMessage().on_fit_start(*stage(videos=400))
    assert [record.levelname for record in caplog.records] == ["INFO"] * 6
    assert caplog.messages[:3] == [
        "videos: 400 for training, 400 for testing; 26:40 of training video, median 4.0 s",
        "steps: 5 an epoch, 100 in all, 32 videos a step",
        # 3 M weights of 4 bytes, and gradients and momentum of half of them; 1,024 rows of 1,024 floats
        "memory: 24.0 MB for network and optimizer, 4.2 MB for queues; 2 workers, 1.0 MB of memory for batches in advance",
    ]
    assert caplog.messages[3].startswith("disk: no checkpoint and 1.5 MB of other files, 1.5 MB in all; ")
    assert caplog.messages[3].endswith("free; writing into runs/demo/now")
    assert caplog.messages[4] == "network: 1.50 M parameters, and 1.50 M of the momentum encoder"
    assert "6.65 for queue.inter (K=768, full after 8 steps)" in caplog.text
    assert "5.55 for queue.segment (K=256, full after 8 steps)" in caplog.text


def test_it_warns_of_a_queue_that_exceeds_the_data(caplog):
    with caplog.at_level(logging.WARNING):
        StartMessage().on_fit_start(*stage(videos=255))
    assert [record.getMessage() for record in caplog.records] == [
        excess("inter", option="queue.inter", length=768, keys_per_epoch=765),
        excess("segment", option="queue.default", length=256, keys_per_epoch=255),
    ]


def test_the_other_processes_are_silent(caplog):
    StartMessage().on_fit_start(*stage(videos=255, first=False))
    assert caplog.records == []


@pytest.mark.parametrize(("steps", "interval"), [(9, 1), (99, 1), (100, 2), (499, 9), (500, 10), (5000, 10)])
def test_a_short_run_is_logged_more_often(steps, interval):
    run, module = stage(videos=400, steps=steps)
    StartMessage().on_fit_start(run, module)
    assert run.log_every_n_steps == interval


def test_published_figures_in_closed_form():
    """131,072 keys of 9,537 videos: 13.7 keys of each; log(131,073) = 11.78."""
    told = excess("segment", option="queue.segment", length=131072, keys_per_epoch=9537)
    assert "about 13.7 older keys" in told
    assert "set queue.segment.length lower" in told
    assert "11.78 for queue.segment (K=131072, full after 512 steps)" in expectation({"segment": 131072}, {"segment": 1}, batch=256)


@pytest.mark.parametrize(("warmup_epochs", "warned"), [(20, True), (19.5, False)])
def test_a_warm_up_as_long_as_the_run_is_warned_of(caplog, warmup_epochs, warned):
    with caplog.at_level(logging.WARNING):
        StartMessage().on_fit_start(*stage(videos=400, warmup_epochs=warmup_epochs))
    message = "the learning rate rises for 20 epochs, but the run has 20: it never reaches optimizer.lr; set schedule.warmup_epochs=2"
    assert (message in caplog.messages) == warned
