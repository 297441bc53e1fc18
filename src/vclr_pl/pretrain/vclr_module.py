"""VCLR pretraining as a LightningModule (Kuang et al. 2021, arXiv 2108.02722).

Legend: B videos a device, S segments, F backbone features, D projection, K queue rows, W ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from vclr_pl.backbone.declaration import (
    feature_dim_of,
    normalization_of,
    refuse_other_length,
    refuse_other_size,
    refuse_other_views,
    uses_batch_statistics,
)
from vclr_pl.encoder.freezing import Freezing
from vclr_pl.encoder.momentum_contrast import MomentumEncoder, NegativeQueue
from vclr_pl.encoder.video_encoder import EncoderRuntime, VideoEncoder
from vclr_pl.objective.terms import WeightedSum
from vclr_pl.op.collective import broadcast_from_first, gather_stacked
from vclr_pl.op.contrast import feature_spread, unit_norm
from vclr_pl.op.random_state import seed_generators
from vclr_pl.op.shuffle import in_groups
from vclr_pl.optim.optimizer import LinearScaled, ParameterGroup, ParameterGroups, UniformGroups
from vclr_pl.optim.schedule import StepFunctionLR, TrainingLength, WarmupCosine, keep_place, resumed_length, training_length
from vclr_pl.pretrain.key_encoding import KeyEncoding
from vclr_pl.pretrain.view_encoding import PooledKeys, PooledQueries, ViewEncoding, groups_of, head_input, stacked_keys
from vclr_pl.types import Contrast, InputError, KeyViews, ObjectiveTerms, Projections, SegmentViews

DEFAULT_QUEUE = "default"


class VCLRModule(lightning.LightningModule):
    """The published step: encode keys, encode queries, sum the terms; after backward, enqueue; after the update, move the momentum encoder.

    Args:
        backbone: `[N, *view]` to `[N, F]`, with `feature_dim`.
        head: makes a projection head from `feature_dim`; one is made for each head that a term needs.
        objective: the weighted terms, which declare the heads and queues that they need.
        encoding: how views are grouped into passes.
        momentum_encoder: makes the momentum encoder from the query encoder.
        queue: by name, makes a queue from `dim`; `default` makes those without an entry. Queues that no term needs are not made.
        optimizer, schedule: learning rate, its scaling and its course.
        runtime: memory layout and compilation.
        parameter_groups: learning rate factors by parameter; None trains all parameters alike, as published.
        freezing: parts of the backbone that do not change; None for none, as published.
    """

    def __init__(
        self,
        *,
        backbone: Any,
        head: Callable[..., nn.Module],
        objective: WeightedSum,
        encoding: ViewEncoding,
        momentum_encoder: Callable[[VideoEncoder], MomentumEncoder],
        queue: Mapping[str, Callable[..., NegativeQueue]],
        optimizer: LinearScaled,
        schedule: WarmupCosine,
        runtime: EncoderRuntime,
        parameter_groups: ParameterGroups | None = None,
        freezing: Freezing | None = None,
    ) -> None:
        super().__init__()
        self.objective, self.encoding, self.runtime = objective, encoding, runtime
        self.optimizer, self.schedule, self.freezing = optimizer, schedule, freezing
        self.parameter_groups = UniformGroups() if parameter_groups is None else parameter_groups
        heads = {name: head(feature_dim=feature_dim_of(backbone)) for name in objective.heads}
        self.encoder = VideoEncoder(backbone=backbone, heads=heads)
        self.momentum_encoder = momentum_encoder(self.encoder)
        if freezing is not None:
            freezing.fix(self.encoder.backbone, copies_statistics=self.momentum_encoder.copy_buffers)
            self.train()
        self.queues = nn.ModuleDict(
            {name: _maker(queue, name)(dim=self.encoder.heads[needs.head].dim) for name, needs in objective.queues.items()}
        )
        self.queue_options = {name: f"queue.{name if name in queue else DEFAULT_QUEUE}" for name in objective.queues}
        seed = torch.initial_seed() % 2**31  # of the run, equal on all ranks once they are seeded alike
        self.key_encoding = KeyEncoding(encoding, seed=seed, uses_batch_statistics=uses_batch_statistics(self.momentum_encoder))
        self.awaiting_enqueue: dict[str, Tensor] = {}
        self.awaiting_video_index: Tensor | None = None
        for encoder in (self.encoder, self.momentum_encoder.encoder):
            runtime.apply(encoder)

    def train(self, mode: bool = True) -> VCLRModule:
        """Set the mode of all modules; fixed batch norms stay in evaluation mode."""
        super().train(mode)
        if mode and self.freezing is not None:
            for encoder in (self.encoder, self.momentum_encoder.encoder):
                self.freezing.hold_statistics(encoder.backbone)
        return self

    def features(self, frames: Tensor) -> Tensor:
        """Normalized frames `[N, *view]` to the query encoder's pooled features `[N, F]`: what evaluation uses."""
        with torch.compiler.set_stance("force_eager"):  # the compiler would make code for each shape and for the evaluation mode
            pooled: Tensor = self.encoder(self.runtime.prepare(frames))
        return pooled

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Dropout depends only on seed, batch number and rank."""
        self.runtime.settle([self.encoder.backbone, self.momentum_encoder.encoder.backbone], loss=lambda: self.sum_of_features(batch))
        seed_generators(seed=self.key_encoding.seed, batch=self.batches_seen(), rank=self.global_rank)

    def training_step(self, batch: SegmentViews) -> Tensor:
        keys = self.project_keys(self.encode_keys(batch))
        queries = self.encode_queries(batch)
        outcome: ObjectiveTerms = self.objective(self.contrasts(self.project_queries(queries), keys, batch))
        self.await_enqueue(keys, batch)
        self.log_step(outcome, queries, len(batch))
        return outcome.total

    def sum_of_features(self, batch: SegmentViews) -> Tensor:
        """The passes of a step through both backbones, for the time that they take."""
        with self.trainer.precision_plugin.train_step_context():
            self.encode_keys(batch)
            return self.encode_queries(batch).tuple.sum()

    def on_after_backward(self) -> None:
        self.enqueue()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        progress = float(self.length.place(self.trainer.global_step)) / max(1.0, float(self.length.last_place))
        self.momentum_encoder.update(self.encoder, progress=progress)

    @torch.no_grad()
    def encode_keys(self, batch: SegmentViews) -> PooledKeys:
        """Pooled features of the key views, by the momentum encoder with its batch norms in training mode."""
        encode = lambda frames: self.momentum_encoder(self.runtime.prepare(frames))  # noqa: E731
        return self.key_encoding.keys(encode, batch, number=self.batches_seen())

    def encode_queries(self, batch: SegmentViews) -> PooledQueries:
        """Pooled features of anchor and query tuple, by the query encoder."""
        groups = groups_of(self.encoding, batch_size=len(batch))
        encode = in_groups(lambda frames: self.encoder(self.runtime.prepare(frames)), videos=len(batch), groups=groups)
        return self.encoding.queries(encode, batch)

    def project_queries(self, pooled: PooledQueries) -> dict[str, Tensor]:
        """Projections of the queries by head, in the shapes of `TermNeeds.head_input`."""
        return self._project(self.encoder, frames=pooled.anchor, in_tuple=pooled.tuple)

    @torch.no_grad()
    def project_keys(self, pooled: PooledKeys) -> dict[str, Tensor]:
        """Projections of the keys by head, in the shapes of `TermNeeds.head_input`."""
        return self._project(self.momentum_encoder.encoder, frames=pooled.frames, in_tuple=pooled.tuple)

    def _project(self, encoder: VideoEncoder, *, frames: Tensor, in_tuple: Tensor) -> dict[str, Tensor]:
        projections = {}
        for name, needs in self.objective.needs.items():
            projected = encoder.project(name, head_input(needs, frames=frames, in_tuple=in_tuple))
            projections[name] = unit_norm(projected) if needs.unit_norm else projected
        return projections

    def contrasts(self, queries: Mapping[str, Tensor], keys: Mapping[str, Tensor], batch: SegmentViews) -> Projections:
        """Pair queries and keys of each head, with the rows of its queue before this step."""
        by_head = {}
        for name, needs in self.objective.needs.items():
            queue = None if needs.queue is None else self.queue_of(needs.queue)
            rows = None if queue is None else queue.rows
            own_video = None if queue is None else queue.own_video(batch.video_index)
            by_head[name] = Contrast(query=queries[name], key=keys[name], queue=rows, own_video=own_video)
        return Projections(by_head=by_head, order_label=batch.order_label)

    @torch.no_grad()
    def await_enqueue(self, keys: Mapping[str, Tensor], batch: SegmentViews) -> None:
        """Gather all ranks' keys; they enter the queues after backward, which still reads the old rows."""
        for name, needs in self.objective.queues.items():
            keys_VBD = stacked_keys(needs, keys[needs.head])
            self.awaiting_enqueue[name] = gather_stacked(keys_VBD).transpose(0, 1).flatten(0, 2)  # view, then rank, then video
        self.awaiting_video_index = gather_stacked(batch.video_index).flatten()

    def enqueue(self) -> None:
        """Move the gathered keys into the queues; equal on all ranks."""
        for name, keys_ND in self.awaiting_enqueue.items():
            video_index = self.awaiting_video_index
            assert video_index is not None
            self.queue_of(name).enqueue(keys_ND, video_index.repeat(len(keys_ND) // len(video_index)))
        self.awaiting_enqueue.clear()

    def queue_of(self, name: str) -> NegativeQueue:
        return cast(NegativeQueue, self.queues[name])

    def keys_per_video(self, *, segments: int) -> dict[str, int]:
        """How many keys a video adds to each queue at each step."""
        return {name: needs.keys_per_video(segments) for name, needs in self.objective.queues.items()}

    @torch.no_grad()
    def receive_keys(self, batch: SegmentViews) -> tuple[KeyViews, ...]:
        """The key views of all ranks that this rank encodes in the next step. The data module asks before the color augmentation."""
        return self.key_encoding.received(batch, number=self.batches_seen() + 1)

    def batches_seen(self) -> int:
        return self.trainer.fit_loop.epoch_loop.total_batch_idx if self._trainer is not None else 0

    def log_step(self, outcome: ObjectiveTerms, queries: PooledQueries, batch_size: int) -> None:
        """Losses and the terms' metrics; the logger reads them at its own interval."""
        if self._trainer is None:
            return
        scalars: dict[str, Any] = {"train/loss": outcome.total.detach(), "train/feature_spread": feature_spread(queries.anchor)}
        for name, output in outcome.terms.items():
            scalars[f"train/loss_{name}"] = output.loss.detach()
            scalars.update({f"train/{name}_{metric}": value for metric, value in output.metrics.items()})
        group = self.trainer.optimizers[0].param_groups[0]
        lr = group["lr"] / group.get("lr_factor", 1.0)  # of a parameter whose factor is 1
        scalars["train/lr"] = torch.full((), lr, device=self.device)  # a float would be copied, and waited for, at every step
        self.log_dict(scalars, batch_size=batch_size)

    def setup(self, stage: str) -> None:
        if stage == "fit":
            self.length = training_length(self.trainer)
            self.check_queues(self.length)
            data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
            self.check_views(frames_per_clip=data.sampling.frames_per_clip)
            refuse_other_size(self.encoder.backbone, pixels=data.evaluation_view.crop_pixels, option="transform.size_pixels")
            refuse_other_length(self.encoder.backbone, frames_per_clip=data.sampling.frames_per_clip, option="sampling.frames_per_clip")
            data.normalize_as(normalization_of(self.encoder.backbone))
            groups_of(self.encoding, batch_size=data.batch_size)
            data.receive_keys = self.receive_keys

    def on_fit_start(self) -> None:
        """Ranks whose script did not seed them alike would contrast with other negatives each."""
        broadcast_from_first(self.queues.buffers())

    def check_queues(self, length: TrainingLength) -> None:
        """Refuse a queue that one step would overwrite completely.

        Raises:
            InputError: when a queue is not longer than the keys of one step on all ranks.
        """
        segments = self.trainer.datamodule.segments  # type: ignore[attr-defined]
        for name, keys_per_video in self.keys_per_video(segments=segments).items():
            keys = length.batch_size * length.world_size * keys_per_video
            if self.queue_of(name).length <= keys:
                raise InputError(
                    expected=f"a queue longer than the {keys} keys that one step adds",
                    got=f"queue.{name}.length={self.queue_of(name).length}",
                    hint=f"Set {self.queue_options[name]}.length to a few times {keys}, or lower loader.batch_size.",
                )

    def check_views(self, *, frames_per_clip: int) -> None:
        """Refuse clips for a network of frames, and frames for a network of clips.

        Raises:
            InputError: when the backbone declares that it takes the other kind.
        """
        refuse_other_views(
            self.encoder.backbone,
            frames_per_clip=frames_per_clip,
            for_clips="Set sampling.frames_per_clip=8 sampling.frame_stride=2, which sampling=clips does.",
            for_frames="Set sampling.frames_per_clip=1, or use a backbone of clips such as backbone=r3d_18.",
        )

    def groups(self) -> list[ParameterGroup]:
        """Parameter groups of the optimizer."""
        trained = nn.ModuleList([self.encoder, self.objective])
        return self.parameter_groups.of(trained, backbone=self.encoder.backbone, head=None)

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer.build_groups(groups=self.groups(), global_batch_size=self.length.global_batch_size)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": StepFunctionLR(optimizer, lr_at=self.lr_at), "interval": "step"}}

    def lr_at(self, *, step: int) -> float:
        """Learning rate of optimizer step `step` of the run."""
        length = self.length
        return self.schedule.lr_at(
            step=length.place(step),
            base_lr=self.optimizer.scaled_lr(global_batch_size=length.global_batch_size),
            steps_per_epoch=length.steps_per_epoch,
            total_steps=length.last_place,
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        keep_place(checkpoint, self.length)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self._trainer is not None:
            self.length = resumed_length(self.trainer, checkpoint)


def _maker(queue: Mapping[str, Callable[..., NegativeQueue]], name: str) -> Callable[..., NegativeQueue]:
    maker = queue.get(name) or queue.get(DEFAULT_QUEUE)
    if maker is None:
        raise InputError(
            expected=f"a queue for {name}, or one for {DEFAULT_QUEUE}",
            got=", ".join(queue) or "none",
            hint=f"Add queue.{name}, as in conf/queue/published.yaml.",
        )
    return maker
