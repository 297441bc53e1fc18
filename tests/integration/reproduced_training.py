"""What happens to a training of `reproduce`, once: the file `marker` says that it has happened."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.stop import stop_requested


class Once(lightning.Callback):
    """
    Args:
        marker: a file; an earlier training has written it.
        run: part of the path of the run to which it happens.
        kills: the process of the run is killed after its first step; else `reproduce`, its parent, gets SIGTERM, and the step lasts until
            the run is asked to stop.
    """

    def __init__(self, *, marker: str, run: str, kills: bool) -> None:
        self.marker, self.run, self.kills = Path(marker), run, kills

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self.marker.exists() or trainer.global_step == 0 or self.run not in str(trainer.default_root_dir):
            return
        self.marker.touch()
        os.kill(os.getpid() if self.kills else os.getppid(), signal.SIGKILL if self.kills else signal.SIGTERM)
        end = time.monotonic() + 60
        while stop_requested() is None and time.monotonic() < end:
            time.sleep(0.05)
