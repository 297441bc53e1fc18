"""What happens to a run, at the same place every time, and what it was like."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Checkpoint

from vclr_pl.callback.checkpoint import LastCheckpoint, resumes_here
from vclr_pl.video.pyav import PyavDecoder, PyavReader


class Interruption(lightning.Callback):
    """A user's Ctrl-C before the first batch of epoch `epoch`, counted from 0."""

    def __init__(self, *, epoch: int) -> None:
        self.epoch = epoch

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == self.epoch:
            raise KeyboardInterrupt


class Copies(Checkpoint):
    """Saves `last.ckpt` after each optimizer step and keeps a copy, `step_0001.ckpt`; with `stop_after`, it is interrupted there."""

    def __init__(self, *, folder: str, stop_after: int | None = None) -> None:
        self.folder, self.stop_after = Path(folder), stop_after

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if not resumes_here(trainer) or self.stop_after not in (None, trainer.global_step):
            return
        (last,) = [callback for callback in trainer.callbacks if isinstance(callback, LastCheckpoint)]
        assert last.save(trainer)
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(last.path, self.folder / f"step_{trainer.global_step:04}.ckpt")
        if self.stop_after is not None:
            raise KeyboardInterrupt


class SignalledAfterBatch(Checkpoint):
    """SIGTERM with the last optimizer step `step` done, once all other callbacks have seen the batch."""

    def __init__(self, *, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


class SignalledInBatch(lightning.Callback):
    """SIGTERM in the batch of the optimizer step `step`."""

    def __init__(self, *, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step - 1:
            os.kill(os.getpid(), signal.SIGTERM)


class SignalledWhileWaiting(Checkpoint):
    """SIGTERM while training waits for a batch after `step` optimizer steps. The file `then` says that the signal was looked at."""

    def __init__(self, *, step: int = 1, then: str | None = None) -> None:
        self.step, self.then = step, then

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        loader = trainer.train_dataloader
        look = loader.while_waiting

        def signalled() -> None:
            if trainer.global_step >= self.step:
                os.kill(os.getpid(), signal.SIGTERM)
            look()
            if trainer.global_step >= self.step and self.then is not None:
                Path(self.then).touch()

        loader.while_waiting = signalled


class HeldDecoder(PyavDecoder):
    """Reads `videos` videos in a worker; then nothing comes, as from a server that does not answer, until there is a file `until`."""

    def __init__(self, *, videos: int, until: str | None = None) -> None:
        super().__init__(threads=1, short_side_pixels=None)
        self.videos, self.until, self.main_process = videos, until, os.getpid()
        self.opened = 0

    def open(self, path: str | os.PathLike[str]) -> PyavReader:
        if os.getpid() != self.main_process:
            self.opened += 1
            while self.opened > self.videos and not (self.until and Path(self.until).exists()):
                time.sleep(0.1)
        return super().open(path)


class Kill(lightning.Callback):
    """Kills this process, rank 0, with its last optimizer step `step` done; no handler runs."""

    def __init__(self, *, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step and trainer.is_global_zero:
            os.kill(os.getpid(), signal.SIGKILL)


class Diary(lightning.Callback):
    """Writes a line for each batch: videos, losses to the last bit, learning rate, and digests of everything that training changes.

    A line is on the disk before the next batch. Each rank has its own file, `PATH_RANK.jsonl`.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        optimizer = trainer.optimizers[0].state_dict()["state"]
        line = {
            "step": trainer.global_step,
            "epoch": trainer.current_epoch,
            "videos": batch.video_index.tolist() if hasattr(batch, "video_index") else [],
            "metrics": {name: float(value).hex() for name, value in sorted(trainer.callback_metrics.items()) if _is_exact(name)},
            "lr": [group["lr"] for group in trainer.optimizers[0].param_groups],
            "state": _digest(pl_module.state_dict().values()),
            "optimizer": _digest(value for state in optimizer.values() for value in state.values()),
            "torch": _digest([torch.get_rng_state()]),
            "numpy": hashlib.sha256(np.random.get_state()[1].tobytes()).hexdigest()[:12],
            "python": hashlib.sha256(repr(random.getstate()).encode()).hexdigest()[:12],
        }
        with Path(f"{self.path}_{trainer.global_rank}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def diary(path: Path, *, rank: int = 0) -> list[dict[str, Any]]:
    """The lines of a run."""
    return [json.loads(line) for line in Path(f"{path}_{rank}.jsonl").read_text().splitlines()]


def _is_exact(name: str) -> bool:
    return name.startswith("train/") and name not in ("train/videos_per_second", "train/data_wait_percent")


def _digest(values: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for value in values:
        digest.update(torch.as_tensor(value).contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
