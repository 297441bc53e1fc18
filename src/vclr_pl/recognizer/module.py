"""Fine-tuning for recognition as a LightningModule (TSN, Wang et al. 2016; TSM, Lin et al. 2019).

Legend: B videos per device, S segments, N frames or clips, K classes; `*view` a frame `[C, H, W]` or a clip `[C, T, H, W]`.
"""

from __future__ import annotations

from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.nn import functional

from vclr_pl.backbone.declaration import refuse_other_length, refuse_other_size, refuse_other_views
from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.encoder.video_encoder import EncoderRuntime
from vclr_pl.evaluation.accuracy import within_top
from vclr_pl.op.contrast import at_least_float32
from vclr_pl.op.random_state import seed_generators
from vclr_pl.optim.optimizer import LinearScaled, ParameterGroup, ParameterGroups, UniformGroups
from vclr_pl.optim.schedule import StepDecay, StepFunctionLR, TrainingLength, keep_place, resumed_length, training_length
from vclr_pl.types import InputError, LabeledFeatures, LabeledViews


class RecognizerModule(lightning.LightningModule):
    """LightningModule of a recognizer: logits of every segment, their mean, cross-entropy.

    Args:
        recognizer: the network.
        parameter_groups: learning rate factors and weight decay by parameter; with a frozen backbone the last layer is the only group.
        optimizer, schedule: learning rate, its scaling and its schedule.
        runtime: memory layout and compilation.
        linear_lr_factor: factor on the learning rate if the backbone is frozen; a last layer trained alone needs a larger rate.
    """

    def __init__(
        self,
        *,
        recognizer: RecognitionNetwork,
        parameter_groups: ParameterGroups,
        optimizer: LinearScaled,
        schedule: StepDecay,
        runtime: EncoderRuntime,
        linear_lr_factor: float,
    ) -> None:
        super().__init__()
        self.recognizer, self.parameter_groups = recognizer, parameter_groups
        self.optimizer, self.schedule, self.runtime = optimizer, schedule, runtime
        self.lr_factor = 1.0 if recognizer.trains_backbone else linear_lr_factor
        self.dropout_seed = torch.initial_seed() % 2**31  # seed of the run, equal on all ranks
        runtime.apply(recognizer)

    def features(self, frames: Tensor) -> Tensor:
        """Normalized frames `[N, *view]` to logits `[N, K]`, independently. The test averages them over the views of a video."""
        with torch.compiler.set_stance("force_eager"):  # the compiler would make code for each shape and for the evaluation mode
            logits_NK: Tensor = self.recognizer(self.runtime.prepare(frames))
        return logits_NK

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Dropout depends only on seed, batch number and rank, so a resumed run uses the same masks."""
        if not isinstance(batch, LabeledFeatures):
            self.runtime.settle([self.recognizer.backbone], loss=lambda: self.sum_of_logits(batch))
        batches_seen = self.trainer.fit_loop.epoch_loop.total_batch_idx
        seed_generators(seed=self.dropout_seed, batch=batches_seen, rank=self.global_rank)

    def training_step(self, batch: LabeledViews | LabeledFeatures) -> Tensor:
        logits = self.recognizer.logits_of(batch.features) if isinstance(batch, LabeledFeatures) else self.video_logits(batch.views)
        logits_BK = at_least_float32(logits)
        loss = functional.cross_entropy(logits_BK, batch.label)
        self.log_step(loss.detach(), logits_BK.detach(), batch.label)
        return loss

    def sum_of_logits(self, batch: LabeledViews) -> Tensor:
        """The pass of a step through the backbone, for the time that it takes."""
        with self.trainer.precision_plugin.train_step_context():
            return self.video_logits(batch.views).sum()

    def video_logits(self, views: Tensor) -> Tensor:
        """`[B, S, *view]` to `[B, K]`, in the memory layout of the weights."""
        return self.recognizer.video_logits(self._in_layout(views))

    def video_features(self, views: Tensor) -> Tensor:
        """`[B, S, *view]` to the features that `training_step` takes in place of the views."""
        return self.recognizer.video_features(self._in_layout(views))

    def _in_layout(self, views: Tensor) -> Tensor:
        views_BS: Tensor = self.runtime.prepare(views.flatten(0, 1)).unflatten(0, views.shape[:2])
        return views_BS

    def log_step(self, loss: Tensor, logits_BK: Tensor, label_B: Tensor) -> None:
        if self._trainer is None:
            return
        right = within_top(scores_QC=logits_BK, label_Q=label_B, classes=1).float().mean() * 100
        lr = torch.full((), self.current_lr(), device=self.device)  # stays a tensor: a float would synchronize with the GPU at every step
        self.log_dict({"train/loss": loss, "train/top1": right, "train/lr": lr}, batch_size=len(label_B))

    def current_lr(self) -> float:
        """Learning rate of a parameter whose factor is 1."""
        group = self.trainer.optimizers[0].param_groups[0]
        return float(group["lr"] / group["lr_factor"])

    def setup(self, stage: str) -> None:
        if stage != "fit":
            return
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        self.length: TrainingLength = training_length(self.trainer)
        self.check_views(frames_per_clip=data.sampling.frames_per_clip)
        for option, pixels in (
            ("transform.size_pixels", data.transform.size_pixels),
            ("evaluation_view.crop_pixels", data.evaluation_view.crop_pixels),
        ):
            refuse_other_size(self.recognizer.backbone, pixels=pixels, option=option)
        refuse_other_length(self.recognizer.backbone, frames_per_clip=data.sampling.frames_per_clip, option="sampling.frames_per_clip")
        data.normalize_as(self.recognizer.input_normalization)
        self.check_segments(training=data.sampling.segments, test=data.evaluation_view.frames)

    def check_views(self, *, frames_per_clip: int) -> None:
        """
        Raises:
            InputError: clips for a 2D network, or frames for a 3D network.
        """
        refuse_other_views(
            self.recognizer,
            frames_per_clip=frames_per_clip,
            for_clips="Set sampling.frames_per_clip=8 sampling.frame_stride=2.",
            for_frames="Set sampling.frames_per_clip=1.",
        )

    def check_segments(self, *, training: int, test: int) -> None:
        """
        Raises:
            InputError: training or test uses a number of segments other than that of the temporal shift.
        """
        shift = self.recognizer.shift
        if shift is not None and not training == test == shift.segments:
            raise InputError(
                expected=f"recognizer.shift.segments={shift.segments} in training and at test",
                got=f"sampling.segments={training}, evaluation_view.segments={test}",
                hint="Give all three the same number.",
            )

    @property
    def scaled_lr(self) -> float:
        """The initial learning rate, scaled to the global batch of the run."""
        return self.lr_factor * self.optimizer.scaled_lr(global_batch_size=self.length.global_batch_size)

    def groups(self) -> list[ParameterGroup]:
        """Parameter groups of the optimizer."""
        groups = self.parameter_groups if self.recognizer.trains_backbone else UniformGroups()
        return groups.of(self.recognizer, backbone=self.recognizer.backbone, head=self.recognizer.head)

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer.build_groups(groups=self.groups(), global_batch_size=self.length.global_batch_size)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": StepFunctionLR(optimizer, lr_at=self.lr_at), "interval": "step"}}

    def lr_at(self, *, step: int) -> float:
        """Learning rate of optimizer step `step` of the run."""
        position, steps_per_epoch = self.length.place(step), self.length.steps_per_epoch
        return self.schedule.lr_at(step=position, base_lr=self.scaled_lr, steps_per_epoch=steps_per_epoch)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        keep_place(checkpoint, self.length)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self._trainer is not None:
            self.length = resumed_length(self.trainer, checkpoint)
