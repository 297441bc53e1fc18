"""A few real steps and a part of the evaluation, to measure what a run will need."""

from __future__ import annotations

import logging
import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch

from vclr_pl.callback.encoder_monitor import EncoderMonitor
from vclr_pl.callback.evaluation import EncoderEvaluation
from vclr_pl.callback.expected_time import StepClock, skipped_steps
from vclr_pl.callback.feature_reading import videos_read
from vclr_pl.callback.plan import epochs_of
from vclr_pl.callback.recognition import RecognitionEvaluation
from vclr_pl.callback.start_message import log_plan
from vclr_pl.evaluation.feature_extraction import extract_features
from vclr_pl.files import available_cores
from vclr_pl.report.plan import busy_words, decoding_words, rough, size, time_words
from vclr_pl.types import VideoFrames

logger = logging.getLogger(__name__)

STEP_SECONDS, MOST_STEP_SECONDS = 10.0, 20.0
EVALUATION_SECONDS = 8.0


class Trial(lightning.Callback):
    """Ends the training after a few steps, reads a part of the evaluation's videos, and logs the expected time and memory.

    Args:
        planned: callbacks of the run: they say which checkpoints it keeps, and how often it evaluates.
        measures: False for no step, and no time.
    """

    def __init__(self, *, planned: Sequence[lightning.Callback], measures: bool = True) -> None:
        self.planned, self.measures = planned, measures
        self.clock = StepClock(skipped_steps=0)
        self.evaluation_seconds: float | None = None
        self._batches = 1  # of a step
        self.memory = ""
        self.decoding: list[str] = []
        self._started, self._first_is_over = 0.0, False
        self._readings: list[tuple[int, float]] = []  # batches measured, and the seconds that the workers had computed then

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            log_plan(trainer, pl_module, callbacks=self.planned)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        module: Any = pl_module
        self._batches = int(trainer.accumulate_grad_batches)
        skipped = max(1, skipped_steps(trainer.datamodule, total=module.length.total_steps * self._batches))  # type: ignore[attr-defined]
        self.clock = StepClock(skipped_steps=skipped)
        trainer.should_stop = trainer.should_stop or not self.measures

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del pl_module, outputs, batch, batch_idx
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        self.clock.step(waited=float(getattr(trainer.train_dataloader, "waiting_seconds", 0.0)))
        if self.clock.steps & (self.clock.steps - 1) == 0:  # seldom; the workers of a short run end with its last batch
            self._note_reading(trainer)
        enough = self.clock.is_measured and self.clock.seconds >= STEP_SECONDS
        over = enough or (self._first_is_over and time.perf_counter() - self._started > MOST_STEP_SECONDS)
        if not self._first_is_over:  # it has the start of the workers and what is compiled: the time begins after it
            self._first_is_over, self._started = True, time.perf_counter()
        if trainer.strategy.reduce_boolean_decision(over, all=False):
            self._note_reading(trainer)
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self.clock.resume()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        self.clock.pause()

    def _note_reading(self, trainer: Any) -> None:
        """The time that the workers have computed so far; the first of the measurement is where it begins."""
        seconds = workers_seconds(without=ranks_started(trainer))
        if seconds is not None:
            self._readings = [*(self._readings[:1] if self.clock.steps > 1 else []), (self.clock.steps, seconds)]

    def _decoding(self, trainer: Any) -> list[str]:
        """The line on the cores that reading needs; none where the workers' time is unknown."""
        if len(self._readings) < 2 or not trainer.datamodule.workers:
            return []
        (first, before), (last, after) = self._readings
        videos = trainer.datamodule.batch_size  # of a batch on this rank
        working = self.clock.seconds_per_step * max(0.01, 1 - self.clock.waiting_share)
        rate = trainer.num_devices * videos / working
        per_video = max(0.0, after - before) / ((last - first) * videos)
        return [decoding_words(seconds_per_video=per_video, videos_per_second=rate, cores=available_cores())]

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if not self.measures:
            return
        self.memory, self.decoding = memory_words(trainer), self._decoding(trainer)
        evaluation = next((one for one in self.planned if isinstance(one, EncoderEvaluation | RecognitionEvaluation)), None)
        if evaluation is not None and evaluation.applies(trainer):
            self.evaluation_seconds = self._evaluation_seconds(trainer, pl_module, evaluation)

    def _evaluation_seconds(self, trainer: Any, module: Any, evaluation: EncoderEvaluation | RecognitionEvaluation) -> float:
        """Time to read all videos of one evaluation and to compute their features, from a part of them."""
        data = trainer.datamodule
        whole_videos = module.recognizer.segments_per_pass if isinstance(evaluation, RecognitionEvaluation) else 1
        reading = TimedReading(data.evaluation_dataloader("test" if data.has_test else "train"), budget_seconds=EVALUATION_SECONDS)
        extract_features(
            encoder=module.features,
            batches=reading,
            prepare=data.prepare,
            path=lambda index: str(index),
            class_names=data.class_names,
            device=trainer.strategy.root_device,
            precision=evaluation.precision,
            frames_per_pass=max(whole_videos, evaluation.frames_per_pass // whole_videos * whole_videos),
        )
        if isinstance(evaluation, RecognitionEvaluation):
            videos = len(data.manifest("test"))
        else:
            videos = videos_read(data, unlabeled_videos=evaluation.unlabeled_videos)
        return reading.seconds_for(videos / trainer.world_size)

    @property
    def _measured(self) -> str:
        """What was measured: steps, or the batches that make one."""
        one, several = ("step", "steps") if self._batches == 1 else ("batch", "batches")
        return one if self.clock.steps == 1 else several

    def conclusion(self, trainer: Any, module: Any) -> list[str]:
        """The lines on memory, decoding and time, for the steps that the run still has; none without a measurement."""
        if not self.clock.steps:
            return []
        left, seconds_per_step = module.length.total_steps - module.length.done_steps, self.clock.seconds_per_step * self._batches
        resolution, larger = getattr(trainer.datamodule, "resolution", None), 1.0
        if resolution is not None:  # the views of the first epoch are the smallest
            larger = resolution.relative_work * (resolution.last_pixels / resolution.pixels(0)) ** 2
            seconds_per_step *= larger
        steps = left * seconds_per_step
        evaluations = evaluations_of(self.planned, trainer, epochs=epochs_of(module))
        parts = [f"{left:,} steps of {seconds_per_step:.2f} s"]
        if resolution is not None:
            parts[0] += f" on average ({larger:.1f} times as long as with the first views; the last need the most memory)"
        seconds = steps
        if self.evaluation_seconds is not None:
            seconds += evaluations * self.evaluation_seconds
            parts.append(f"{evaluations} evaluation{'' if evaluations == 1 else 's'} of about {rough(self.evaluation_seconds)}")
        return [
            f"measured in {self.clock.steps} {self._measured} on {devices_of(trainer)}: {self.memory}",
            *self.decoding,
            *busy_words(load=os.getloadavg()[0], cores=available_cores()),
            f"time: {time_words(seconds=seconds, waiting=self.clock.waiting_share)}",
            f"in it: {', '.join(parts)}",
        ]


class TimedReading:
    """The batches of a loader until the time is over.

    Args:
        batches: of whole videos.
        budget_seconds: after it no further batch is read. The first is always read.
    """

    def __init__(self, batches: Iterable[VideoFrames], *, budget_seconds: float) -> None:
        self.batches, self.budget_seconds = batches, budget_seconds
        self.first_seconds = self.seconds = 0.0
        self.first_videos = self.videos = 0

    def __iter__(self) -> Iterator[VideoFrames]:
        started = time.perf_counter()
        for batch in self.batches:
            yield batch  # the network computes its features meanwhile
            self.seconds, self.videos = time.perf_counter() - started, self.videos + len(batch.label)
            if not self.first_videos:
                self.first_seconds, self.first_videos = self.seconds, self.videos
            if self.seconds > self.budget_seconds:
                return

    def seconds_for(self, videos: float) -> float:
        """Time for so many videos. The first batch includes the start of the workers."""
        if self.videos > self.first_videos:
            per_video = (self.seconds - self.first_seconds) / (self.videos - self.first_videos)
        else:
            per_video = self.seconds / max(1, self.videos)
        return self.first_seconds + max(0.0, videos - self.first_videos) * per_video


def evaluations_of(callbacks: Sequence[lightning.Callback], trainer: Any, *, epochs: int) -> int:
    """Number of evaluations of a run: of the random initialization, between epochs, and of the end."""
    count = 0
    for callback in callbacks:
        if isinstance(callback, EncoderMonitor):
            count += callback.readings(trainer, epochs=epochs)
        elif isinstance(callback, EncoderEvaluation):
            count += int(callback.applies(trainer)) * (1 + callback.wants_baseline)
        elif isinstance(callback, RecognitionEvaluation) and callback.applies(trainer):
            between = (epochs - 1) // callback.every_n_epochs if callback.every_n_epochs > 0 else 0
            count += 1 + between
    return count


def memory_words(trainer: Any) -> str:
    """What this process and its workers use."""
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    own = f"{size(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)} of memory"
    workers = workers_bytes()
    parts = [own] if workers is None else [own, f"{size(workers)} in its workers and decoders"]
    if trainer.strategy.root_device.type == "cuda":
        parts.insert(0, f"{size(torch.cuda.max_memory_reserved())} of GPU memory")
    return ", ".join(parts)


def devices_of(trainer: Any) -> str:
    """`8 x NVIDIA H100`, `1 CPU process`."""
    device, count = trainer.strategy.root_device, trainer.world_size
    if device.type == "cuda":
        return f"{count} x {torch.cuda.get_device_name(device)}"
    return f"{count} {device.type.upper()} process{'' if count == 1 else 'es'}"


def workers_bytes(processes: Path = Path("/proc")) -> int | None:
    """Memory of all processes below this one, shared pages divided among their users; None where the system does not say it."""
    found = processes_below(processes)
    return None if found is None else sum(_proportional_bytes(processes / str(process)) for process in found)


def ranks_started(trainer: Any) -> frozenset[int]:
    """Processes of other ranks that this one has started; they have workers of their own."""
    return frozenset(process.pid for process in getattr(trainer.strategy.launcher, "procs", None) or ())


def workers_seconds(processes: Path = Path("/proc"), *, without: frozenset[int] = frozenset()) -> float | None:
    """Time that all processes below this one have computed, with those of them that have ended; None where the system does not say it.

    Args:
        without: processes that do not count, nor those below them.
    """
    found = processes_below(processes, without=without)
    return None if found is None else sum(_computed_seconds(processes / str(process)) for process in found)


def processes_below(processes: Path, *, without: frozenset[int] = frozenset()) -> set[int] | None:
    """Children of this process and theirs; None where the system does not list processes."""
    parents: dict[int, int] = {}
    for folder in processes.glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):  # it has ended
            continue
    if not parents:
        return None
    below, found = {os.getpid()}, set[int]()
    while below:
        below = {process for process, parent in parents.items() if parent in below} - without
        found |= below
    return found


def _computed_seconds(folder: Path) -> float:
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # utime, stime, cutime, cstime


def _proportional_bytes(folder: Path) -> int:
    try:
        lines = (folder / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
