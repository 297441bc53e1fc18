"""Measures of the encoder during training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.best_encoder import best_encoder_of, starts_from_weights
from vclr_pl.callback.evaluation import EncoderEvaluation
from vclr_pl.callback.feature_reading import Measure, agree_on_statistics, evenly_spaced, measure_encoder
from vclr_pl.evaluation.feature_extraction import refuse_unknown_precision
from vclr_pl.evaluation.label_needs import applicable
from vclr_pl.op.collective import from_first
from vclr_pl.types import FeatureTable

KNN, TRAIN_KNN = "knn_top1", "knn_train_top1"
MOST_TRAINING_QUERIES = 5000  # of the kNN among training videos, whose time grows with the square


class EncoderMonitor(lightning.Callback):
    """Log measures as `val/*` every n epochs, from one reading of the videos.

    The last epoch is followed by the evaluation; it has a reading of its own only where the best of several readings is exported. The start
    is logged at step 0 of a run that starts from weights.

    Args:
        measure: of tables `gallery` and `query`, kNN. `knn_train_top1` is the same among training videos, each left out in its turn.
        label_free: measures that need no labels, by name.
        every_n_epochs: between two readings; 0 never reads.
        precision, frames_per_pass, unlabeled_videos: as of the evaluation.
    """

    def __init__(
        self,
        *,
        measure: Measure,
        label_free: Mapping[str, Measure],
        every_n_epochs: int,
        precision: str,
        frames_per_pass: int,
        unlabeled_videos: int,
    ) -> None:
        if every_n_epochs > 0:
            refuse_unknown_precision(precision)
        self.measure, self.measures, self.every_n_epochs = measure, {"knn": measure, **label_free}, every_n_epochs
        self.precision, self.frames_per_pass, self.unlabeled_videos = precision, frames_per_pass, unlabeled_videos

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.global_step or not self._reads(trainer) or not starts_from_weights(trainer):
            return
        evaluation = next(one for one in trainer.callbacks if isinstance(one, EncoderEvaluation))  # type: ignore[attr-defined]
        values = {name: value for name, value in evaluation.baseline.items() if name in (KNN, "rank_me", "copy_top1")}
        for logger in trainer.loggers:
            logger.log_metrics({f"val/{name}": value for name, value in (values or self._values(trainer, pl_module)).items()}, step=0)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.reads_after(trainer):
            agree_on_statistics(pl_module)
            values = self._values(trainer, pl_module)
            pl_module.log_dict({f"val/{name}": value for name, value in values.items()}, rank_zero_only=True)

    def _values(self, trainer: Any, module: Any) -> dict[str, float]:
        measured = measure_encoder(
            trainer=trainer,
            encoder=module.features,
            measures=self.measures,
            precision=self.precision,
            frames_per_pass=self.frames_per_pass,
            unlabeled_videos=self.unlabeled_videos,
        )
        if not trainer.datamodule.labeled:
            return measured.percent
        among = from_first(lambda: self.measure(gallery=_sample(measured.gallery), query=None))
        return {**measured.percent, **({TRAIN_KNN: among[KNN]} if KNN in among else {})}

    def reads_after(self, trainer: lightning.Trainer) -> bool:
        """True if the present epoch is followed by a reading."""
        epoch = trainer.current_epoch + 1
        return self.readings(trainer, epochs=epoch) > self.readings(trainer, epochs=epoch - 1) or self._ends_by_steps(trainer, epochs=epoch)

    def readings(self, trainer: Any, *, epochs: int) -> int:
        """Number of readings after complete epochs, in a run of so many."""
        if not self._reads(trainer):
            return 0
        is_over = epochs == trainer.max_epochs
        between = int(epochs - is_over) // self.every_n_epochs
        best = best_encoder_of(trainer)
        return between + int(is_over and between > 0 and best is not None and best.applies(trainer))

    def _ends_by_steps(self, trainer: Any, *, epochs: int) -> bool:
        """True after the last epoch of a run that `max_steps` ends, whose last encoder competes with the best of earlier readings."""
        best = best_encoder_of(trainer)
        competes = best is not None and best.applies(trainer) and self.readings(trainer, epochs=epochs) > 0
        return competes and epochs != trainer.max_epochs and 0 < trainer.max_steps <= trainer.global_step

    def _reads(self, trainer: Any) -> bool:
        taken = applicable(self.measures, labeled=trainer.datamodule.labeled)
        return self.every_n_epochs > 0 and bool(taken) and not trainer.fast_dev_run


def _sample(table: FeatureTable) -> FeatureTable:
    rows = evenly_spaced(len(table), wanted=MOST_TRAINING_QUERIES)
    paths = tuple(table.path[row] for row in rows)
    return replace(table, features=table.features[rows], label=table.label[rows], video_index=table.video_index[rows], path=paths)
