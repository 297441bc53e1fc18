"""Starts the other ranks of a run, and connects all of them, so that none outlives a failed one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytorch_lightning as lightning
from lightning_fabric.utilities.distributed import _set_num_threads_if_needed
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from vclr_pl.remote.folder import listings_for_children
from vclr_pl.runner import ranks
from vclr_pl.runner.process_launch import tell_ranks
from vclr_pl.runner.stopping import last_word
from vclr_pl.stop import ending_at_once

WRITING_SECONDS, WRITING_SECONDS_OF_A_STOP = 5.0, 60.0  # for the end of a checkpoint, before a process is ended that does not end by itself


class RankLauncher(_SubprocessScriptLauncher):
    """Lightning's, which repeats the command for each further rank. Its own observer kills this process when one of them fails."""

    def launch(self, function: Callable[..., Any], *args: Any, trainer: lightning.Trainer | None = None, **kwargs: Any) -> Any:
        del trainer
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            os.environ[ranks.PARENT] = str(os.getpid())
            with listings_for_children():  # they start after this process has listed its videos
                self._call_children_scripts()
            del os.environ[ranks.PARENT]
            ranks.watch_children(self.procs)
        _set_num_threads_if_needed(num_processes=self.num_processes)
        return function(*args, **kwargs)


def end_together(trainer: lightning.Trainer) -> None:
    """A failure of one rank of this trainer ends all of them."""
    strategy: Any = trainer.strategy
    if trainer.world_size == 1:
        return
    ranks.watch_parent()
    launcher = strategy.launcher
    if isinstance(launcher, _SubprocessScriptLauncher):
        strategy._launcher = RankLauncher(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)
    join, told = strategy.setup_environment, strategy.on_exception

    def last_word_after_writing(failure: ranks.Failure) -> int:
        if hasattr(strategy.checkpoint_io, "finish"):  # a thread writes
            strategy.checkpoint_io.finish(seconds=WRITING_SECONDS if failure.stopped is None else WRITING_SECONDS_OF_A_STOP)
        return last_word(failure)

    def setup_environment() -> None:
        with ending_at_once():  # a rank waits here for the others, for half an hour
            join()
        host = strategy.cluster_environment.main_address
        rank, world_size = trainer.global_rank, trainer.world_size
        ranks.connect(rank=rank, ranks=world_size, host=host, broadcast=strategy.broadcast, last_word=last_word_after_writing)

    def on_exception(exception: BaseException) -> None:
        tell_ranks(exception)  # before the teardown, which may wait for other ranks
        told(exception)

    strategy.setup_environment, strategy.on_exception = setup_environment, on_exception
