"""A whole module of small parts, and batches for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from vclr_pl.backbone.resnet import SmallResNet
from vclr_pl.encoder.freezing import Freezing
from vclr_pl.encoder.momentum_contrast import MomentumEncoder, NegativeQueue
from vclr_pl.encoder.video_encoder import EncoderRuntime, ProjectionHead
from vclr_pl.objective.terms import InterFrame, IntraFrame, SegmentContrast, TemporalOrder, WeightedSum
from vclr_pl.optim.optimizer import LinearScaledSGD
from vclr_pl.optim.schedule import WarmupCosine
from vclr_pl.pretrain.vclr_module import VCLRModule
from vclr_pl.pretrain.view_encoding import SeparateEncoding, ViewEncoding
from vclr_pl.types import SegmentViews

DIM = 4


def terms(segments: int = 3) -> dict[str, Any]:
    return {
        "inter_frame": InterFrame(weight=1.0, temperature=0.1),
        "intra_frame": IntraFrame(weight=1.0, temperature=0.1),
        "temporal_order": TemporalOrder(weight=1.0, segments=segments, dim=DIM, normalize_over="segment"),
        "segment_contrast": SegmentContrast(weight=1.0, temperature=0.1),
    }


def small_module(
    *,
    encoding: ViewEncoding | None = None,
    segments: int = 3,
    keep: tuple[str, ...] = (),
    queue_length: int = 32,
    mask_own_video: bool = False,
    also: Mapping[str, nn.Module] | None = None,
    with_default_queue: bool = True,
    freezing: Freezing | None = None,
) -> VCLRModule:
    torch.manual_seed(0)
    queue = partial(NegativeQueue, length=queue_length, initialization="unit", mask_own_video=mask_own_video)
    chosen = {name: term for name, term in terms(segments).items() if not keep or name in keep}
    return VCLRModule(
        backbone=SmallResNet(widths=[8, 16], stem_stride=2),
        head=partial(ProjectionHead, dim=DIM, batch_norm="byol" in (also or {})),
        objective=WeightedSum(terms={**chosen, **(also or {})}),
        encoding=encoding or SeparateEncoding(),
        momentum_encoder=partial(MomentumEncoder, momentum=0.5, copy_buffers=True),
        queue={"inter": queue, "segment": queue, **({"default": queue} if with_default_queue else {})},
        optimizer=LinearScaledSGD(lr=0.1, reference_batch_size=256, momentum=0.9, weight_decay=1e-4),
        schedule=WarmupCosine(warmup_epochs=0, warmup_multiplier=100, minimum_lr=0.0),
        runtime=EncoderRuntime(channels_last=False, compile=False),
        freezing=freezing,
    )


def small_batch(*, videos: int = 4, segments: int = 3, seed: int = 1, pixels: int = 16) -> SegmentViews:
    generator = torch.Generator().manual_seed(seed)
    orders = torch.stack([torch.randperm(segments, generator=generator) for _ in range(2 * videos)])
    return SegmentViews(
        views=torch.randn(videos, 2 * segments + 1, 3, pixels, pixels, generator=generator),
        color_parameters=torch.zeros(videos, 2 * segments + 1, 0),
        anchor_segment=(segments - 1) * torch.randint(2, (videos,), generator=generator),
        query_order=orders[:videos],
        key_order=orders[videos:],
        order_label=torch.randint(4, (videos,), generator=generator),
        video_index=torch.arange(videos),
    )
