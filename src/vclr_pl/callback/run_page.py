"""Write `run.html` and `curves.png` during training."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.evaluation import EncoderEvaluation
from vclr_pl.callback.fresh_metrics import FreshMetrics
from vclr_pl.callback.monitor import CollapseMonitor
from vclr_pl.callback.pace import PacedWork
from vclr_pl.callback.progress import steps_left
from vclr_pl.callback.run_summary import RunSummary, guess_losses, ranks_of_keys
from vclr_pl.callback.run_views import note_on, views_of
from vclr_pl.files import in_words
from vclr_pl.report.chart import POINTS, Point, thinned
from vclr_pl.report.chart_picture import write_chart_picture
from vclr_pl.report.plan import clock
from vclr_pl.report.record import RANDOM_INITIALIZATION
from vclr_pl.report.run_charts import RANK, TESTED, TRAIN, Expected, chart_groups
from vclr_pl.report.run_figures import alarm_sentences, figures_note, run_figures
from vclr_pl.report.run_page import CURVES, BrokenRow, ResultRow, RunDescription, RunPage, RunState, StateWord, VideoViews, write_run_page
from vclr_pl.report.run_summary import COLLAPSED_RANK, READINGS
from vclr_pl.stop import Stopped

logger = logging.getLogger(__name__)

VIDEOS_SHOWN = 3
PAGES_PER_PICTURE = 6  # it takes ten times as long as the page
LONGEST_SECONDS = 30.0  # between two pages
LAST_CHECKPOINT = "checkpoints/last.ckpt"
FINAL: tuple[StateWord, ...] = ("ended", "stopped", "failed")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is known after the run: results, the verdict and its reason, time and memory in words, a command that settles the verdict."""

    results: Sequence[ResultRow] = ()
    results_note: str = ""
    verdict: tuple[str, str] | None = None
    cost: str = ""
    advice: str = ""


class RunPageWriter(lightning.Callback):
    """Keeps the run's curves and writes the page with them. A page that cannot be written gives one warning.

    Only rank 0 writes. The curves are part of the checkpoint, so a resumed run continues them.

    Args:
        path: path of the page; `curves.png` is beside it.
        every_n_steps: steps between two readings of the metrics.
        every_seconds: shortest time between two writes.
        share_of_time: largest share of the training time that writing the page takes, writing the picture, and computing RankMe; a page
            is written every 30 seconds, whatever it takes.
    """

    def __init__(self, *, path: str, every_n_steps: int, every_seconds: float, share_of_time: float) -> None:
        self.path, self.every_n_steps = Path(path), every_n_steps
        self.curves: dict[str, list[Point]] = {}
        self.alarms: dict[str, list[tuple[int, int]]] = {}
        self.description = RunDescription(title=self.path.parent.name, folder=str(self.path.parent))
        self.outcome = Outcome()
        self._views: list[VideoViews] = []
        self._views_note = ""
        self._page = PacedWork(every_seconds=every_seconds, share_of_time=share_of_time, longest_seconds=LONGEST_SECONDS)
        self._picture = PacedWork(every_seconds=PAGES_PER_PICTURE * every_seconds, share_of_time=share_of_time)
        self._rank = PacedWork(every_seconds=every_seconds, share_of_time=share_of_time)
        self._started, self._first_step, self._last_read = time.perf_counter(), 0, -1
        self._measured = FreshMetrics(prefix=TESTED)
        self._share = 0.0
        self._picture.postpone()
        self._is_warned = False

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        evaluation = _evaluation(trainer)
        doing = "Preparing the training."
        if evaluation is not None and evaluation.evaluates_start(trainer):
            doing = f"Evaluating the {evaluation.baseline_name}."
        self._write(trainer, pl_module, "starting", doing)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._started, self._first_step = time.perf_counter(), trainer.global_step
        self._write(trainer, pl_module, "starting", "Loading the first batch.")
        self._picture.postpone()

    def on_train_batch_start(self, trainer: Any, pl_module: lightning.LightningModule, batch: Any, batch_idx: int) -> None:
        del batch_idx
        if self._views or not self._applies(trainer):
            return
        with self._forgiven():
            data = trainer.datamodule
            manifest, normalized = data.manifest("train"), data.color_augmentation
            names = [short_name(manifest.path(int(index))) for index in batch.video_index[:VIDEOS_SHOWN]]
            self._views = views_of(batch, names=names, class_names=data.class_names, normalized=normalized)
            terms = list(getattr(getattr(pl_module, "objective", None), "terms", ()))
            self._views_note = note_on(batch, sampled=getattr(data.sampling, "in_words", ""), terms=terms)

    def on_train_batch_end(self, trainer: Any, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        del outputs, batch
        step = trainer.global_step
        if not self._applies(trainer) or step == self._last_read:
            return
        interval = min(self.every_n_steps, trainer.log_every_n_steps)
        if step % interval == 0 or not self.curves or trainer.is_last_batch:
            self._read(trainer)
        if self._page.is_due() and self.curves:
            self._measure_rank(trainer, pl_module)
            self._write(trainer, pl_module, "running", self._progress(trainer, batch_idx=batch_idx))

    def on_train_epoch_end(self, trainer: Any, pl_module: lightning.LightningModule) -> None:
        """Keep what callbacks measured after this epoch."""
        if not self._applies(trainer):
            return
        for name, value in self._measured.read(trainer).items():
            self._keep(name, trainer.global_step, value)
        self._measure_rank(trainer, pl_module)

    def on_train_end(self, trainer: Any, pl_module: lightning.LightningModule) -> None:
        if self._applies(trainer):
            self._measure_rank(trainer, pl_module, is_last=True)
            self._share = 1.0
            self._write(trainer, pl_module, "evaluating", f"Trained for {counted(trainer.global_step)}; the evaluation comes next.")

    def on_exception(self, trainer: Any, pl_module: lightning.LightningModule, exception: BaseException) -> None:
        if not self._applies(trainer):
            return
        with self._forgiven():
            self._read(trainer)
        word: StateWord = "stopped" if isinstance(exception, KeyboardInterrupt | SystemExit | Stopped) else "failed"
        reason = "Stopped by the user or the system" if word == "stopped" else f"{type(exception).__name__}: {exception}"
        self._write(trainer, pl_module, word, f"{reason.rstrip('.')}. The last step was {trainer.global_step:,}.")

    def finish(self, trainer: Any, module: Any, outcome: Outcome) -> None:
        """Write the page of a run that has ended."""
        self.outcome = outcome
        if self._applies(trainer):
            took = clock(time.perf_counter() - self._started)
            self._share = 1.0
            self._write(trainer, module, "ended", f"Ended after {counted(trainer.global_step)}, {took} with the evaluation.")

    def state_dict(self) -> dict[str, Any]:
        return {"curves": {name: list(points) for name, points in self.curves.items()}, "alarms": dict(self.alarms)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.curves = {name: [(step, value) for step, value in points] for name, points in state_dict["curves"].items()}
        self._last_read = max((points[-1][0] for points in self.curves.values() if points), default=-1)
        self.alarms = {name: [(start, end) for start, end in stretches] for name, stretches in state_dict["alarms"].items()}

    def _read(self, trainer: Any) -> None:
        step, self._last_read = trainer.global_step, trainer.global_step
        for name, value in trainer.callback_metrics.items():
            if name.startswith(TRAIN):
                self._keep(name, step, float(value))
        monitor = _monitor(trainer)
        if monitor is not None and step > monitor.grace_steps:
            for term in monitor.collapsed_terms():
                self._keep_alarm(term.removeprefix(TRAIN), step)

    def _keep(self, name: str, step: int, value: float) -> None:
        points = self.curves.setdefault(name, [])
        if points and points[-1][0] >= step:
            points.pop()
        points.append((step, value))
        if len(points) > 2 * POINTS:
            self.curves[name] = [*thinned(points[:-READINGS]), *points[-READINGS:]]

    def _keep_alarm(self, term: str, step: int) -> None:
        stretches = self.alarms.setdefault(term, [])
        readings = [reading for reading, _ in self.curves.get("train/loss", [])][-2:]
        if stretches and readings and stretches[-1][1] >= readings[0]:  # of the reading before
            stretches[-1] = (stretches[-1][0], step)
        else:
            stretches.append((step, step))
        del stretches[:-POINTS]

    def _measure_rank(self, trainer: Any, module: Any, *, is_last: bool = False) -> None:
        if hasattr(module, "queues") and (is_last or self._rank.is_due()):
            with self._forgiven(), self._rank.counted():
                for name, rank in ranks_of_keys(trainer, module).items():
                    self._keep(f"{RANK}{name}", trainer.global_step, rank)

    def _progress(self, trainer: Any, *, batch_idx: int) -> str:
        step, left = trainer.global_step, steps_left(trainer, batch_idx=batch_idx)
        self._share = step / max(1, step + left)
        took = time.perf_counter() - self._started
        rest = clock(took / max(1, step - self._first_step) * left)
        epoch = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}" if trainer.max_epochs else f"epoch {trainer.current_epoch + 1}"
        return f"Step {step:,} of {step + left:,}, {epoch}. {clock(took)} so far, about {rest} left."

    def _write(self, trainer: Any, module: Any, word: StateWord, detail: str) -> None:
        if not self._applies(trainer):
            return
        with self._forgiven():
            state = RunState(word=word, detail=detail, written=time.time(), share=self._share)
            with self._page.counted() if word == "running" else contextlib.nullcontext():
                page = self._content(trainer, module, state)
                write_run_page(page, self.path)
            if word in FINAL or (word == "running" and self._picture.is_due()):
                with self._picture.counted():
                    write_chart_picture(self.path.with_name(CURVES), page.groups)

    @contextlib.contextmanager
    def _forgiven(self) -> Iterator[None]:
        """No error of the block ends the run: the first one is a warning."""
        try:
            yield
        except Exception as error:
            if not self._is_warned:
                cause = (in_words(error) if isinstance(error, OSError) else None) or error
                logger.warning("the training continues, but %s cannot be written: %s", self.path, cause)
            self._is_warned = True

    def _content(self, trainer: Any, module: Any, state: RunState) -> RunPage:
        expected = _expected(trainer, module, curves=self.curves)
        broken = tuple(trainer.datamodule.broken_videos)
        groups = chart_groups(self.curves, expected=expected, alarms=self.alarms)
        return RunPage(
            description=self._offered(state),
            state=state,
            figures=run_figures(self.curves, expected=expected, broken=len(broken), waited=_waited_percent(trainer)),
            figures_note=figures_note(self.curves),
            alarms=alarm_sentences(self.curves, self.alarms),
            groups=groups,
            views=self._views,
            views_note=self._views_note,
            broken=[BrokenRow(name=video.path, reason=f"{video.backend}: {video.reason}".removeprefix(": ")) for video in broken],
            broken_count=len(broken),
            **vars(self.outcome),
        )

    def _offered(self, state: RunState) -> RunDescription:
        """The description, without commands before there is a checkpoint that they read."""
        has_weights = state.word == "ended" or (self.path.parent / LAST_CHECKPOINT).exists()
        return self.description if has_weights else replace(self.description, commands=())

    @staticmethod
    def _applies(trainer: Any) -> bool:
        return bool(trainer.is_global_zero and not trainer.fast_dev_run)


def counted(steps: int) -> str:
    """`1 step`, `1,200 steps`."""
    return f"{steps:,} step" + ("s" if steps != 1 else "")


def short_name(path: str) -> str:
    """The file with its folder."""
    return "/".join(Path(path).parts[-2:])


def _monitor(trainer: Any) -> CollapseMonitor | None:
    return next((callback for callback in trainer.callbacks if isinstance(callback, CollapseMonitor)), None)


def _waited_percent(trainer: Any) -> float | None:
    summary = next((callback for callback in trainer.callbacks if isinstance(callback, RunSummary)), None)
    return None if summary is None else summary.waited_percent(trainer)


def _evaluation(trainer: Any) -> EncoderEvaluation | None:
    return next((callback for callback in trainer.callbacks if isinstance(callback, EncoderEvaluation)), None)


def _expected(trainer: Any, module: Any, *, curves: Mapping[str, Sequence[Point]]) -> Expected:
    """Levels of a random guess, by the declarations of the terms; those of recognition by the number of classes."""
    if not hasattr(module, "objective"):
        classes = max(1, len(trainer.datamodule.class_names))
        return Expected(losses={"": (math.log(classes), f"log {classes}")}, accuracies={"top1": 100.0 / classes})
    losses: dict[str, tuple[float, str]] = {}
    accuracies: dict[str, float] = {}
    for name, guess in guess_losses(module).items():
        if not name:
            losses[name] = (guess, f"{guess:.2f}, the weighted sum")
            continue
        term = module.objective.terms[name]
        losses[name] = (guess, f"log(1 + {module.queue_of(term.needs.queue).length})" if term.needs.queue else f"log {math.exp(guess):.0f}")
        accuracies[name] = 100.0 * math.exp(-guess)
        if f"{TRAIN}{name}_batch_accuracy" in curves:
            accuracies[name] = 100.0 / module.length.batch_size
    evaluation = _evaluation(trainer)
    return Expected(
        losses=losses,
        accuracies=accuracies,
        start={} if evaluation is None else evaluation.baseline,
        start_name=RANDOM_INITIALIZATION if evaluation is None else evaluation.baseline_name,
        dimensions={name: module.queue_of(name).rows.shape[1] for name in module.queues},
        collapsed_rank=COLLAPSED_RANK,
    )
