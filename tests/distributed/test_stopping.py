"""Two ranks stop at the same step when one of them, or both, get a signal, and no step has a collective for it."""

from __future__ import annotations

import os
import signal
import warnings
from collections import Counter

import pytest
import pytorch_lightning as lightning
import torch
from tests.distributed.pair_environment import PairEnvironment
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader

from vclr_pl.callback.checkpoint import LastCheckpoint
from vclr_pl.callback.monitor import FiniteLoss
from vclr_pl.callback.stopping import Stopping
from vclr_pl.op.collective import rank
from vclr_pl.runner.trainer import leave_signals_to_us
from vclr_pl.stop import Stopped, listening

BATCHES = 12


class Position(DataLoader):
    """A loader that can continue inside an epoch."""

    def load_state_dict(self, state):
        pass


class OneWeight(lightning.LightningModule):
    """Trains one weight. `signalled`: the signal that a rank gets in the training step of a batch."""

    def __init__(self, signalled):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.signalled, self.steps = signalled, 0

    def training_step(self, batch, batch_idx):
        self.steps += 1
        number = self.signalled.get((rank(), self.current_epoch, batch_idx))
        if number is not None:
            os.kill(os.getpid(), number)
        return self.weight * batch.mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trained(folder, *, signalled=None, ours=True, accumulate=1, every_seconds=1000.0):
    """The collectives of a run of two epochs by kind, the step of last.ckpt, the steps of this rank, and the signal that ended it."""
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)  # as in pyproject.toml
    warnings.filterwarnings("ignore", message=".*does not have many workers")
    callbacks = [FiniteLoss(every_n_steps=4), LastCheckpoint(folder=str(folder), pause_seconds=1000.0)]
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        plugins=[PairEnvironment()],
        max_epochs=2,
        logger=False,
        callbacks=[*callbacks, *([Stopping(every_n_steps=4, every_seconds=every_seconds)] if ours else [])],
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        accumulate_grad_batches=accumulate,
    )
    if ours:
        leave_signals_to_us(trainer)
    module, stopped = OneWeight(signalled or {}), None
    with listening(), profile(activities=[ProfilerActivity.CPU]) as recorded:
        try:
            trainer.fit(module, Position(torch.ones(BATCHES, 1), batch_size=1))
        except Stopped as error:
            stopped = error.signal
    kinds = Counter(event.name for event in recorded.events() if event.name.startswith("c10d::"))
    step = torch.load(folder / "last.ckpt", weights_only=True)["global_step"] if (folder / "last.ckpt").is_file() else None
    return dict(kinds), step, module.steps, stopped


def whole_run(folder, ours):
    return trained(folder, ours=ours)


def stopped_run(folder, signalled, accumulate, every_seconds):
    return trained(folder, signalled=signalled, accumulate=accumulate, every_seconds=every_seconds)


def test_a_step_has_no_collective_for_signals(two_processes, tmp_path):
    """The gradient's, and every fourth step that of `FiniteLoss`. Lightning alone has a broadcast before each step too."""
    (before, *_), _ = two_processes(whole_run, tmp_path / "before", False)
    (after, _, steps, stopped), _ = two_processes(whole_run, tmp_path / "after", True)
    assert (steps, stopped) == (2 * BATCHES, None)
    assert before.pop("c10d::broadcast_") - after.pop("c10d::broadcast_") == 2 * BATCHES
    assert before == after


@pytest.mark.parametrize("signalled", [{(1, 0, 4)}, {(0, 0, 4)}, {(0, 0, 4), (1, 0, 6)}])
def test_ranks_stop_at_one_step_and_save_it(two_processes, tmp_path, signalled):
    """`FiniteLoss` agrees after batches 1, 4, 8 and 12."""
    found = two_processes(stopped_run, tmp_path, dict.fromkeys(signalled, signal.SIGTERM), 1, 1000.0)
    assert [result[1:] for result in found] == [(8, 8, signal.SIGTERM)] * 2


def test_slow_steps_agree_more_often(two_processes, tmp_path):
    """Every step is slower than the shortest time."""
    found = two_processes(stopped_run, tmp_path, {(1, 0, 4): signal.SIGINT}, 1, 1e-6)
    assert [result[1:] for result in found] == [(5, 5, signal.SIGINT)] * 2


def test_a_step_of_several_batches_is_finished(two_processes, tmp_path):
    found = two_processes(stopped_run, tmp_path, {(1, 0, 6): signal.SIGTERM}, 3, 1000.0)
    assert [result[1:] for result in found] == [(3, 9, signal.SIGTERM)] * 2


def test_the_last_batch_of_an_epoch_is_followed_by_the_epochs_end(two_processes, tmp_path):
    found = two_processes(stopped_run, tmp_path, {(1, 0, 9): signal.SIGTERM}, 1, 1000.0)
    assert [result[1:] for result in found] == [(12, 12, signal.SIGTERM)] * 2


def test_a_run_that_ends_anyway_ends_as_usual(two_processes, tmp_path):
    found = two_processes(stopped_run, tmp_path, {(1, 1, 9): signal.SIGTERM}, 1, 1000.0)
    assert [result[1:] for result in found] == [(24, 24, None)] * 2
