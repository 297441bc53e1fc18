"""A recognizer and its trainer's outside, small: two classes told apart by their brightness."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from tests.unit.callback.labeled_data import data
from tests.unit.callback.stage import trainer
from torch import nn

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.data.transform.evaluation_view import RecognitionView
from vclr_pl.datasets.footage import Footage
from vclr_pl.encoder.video_encoder import EncoderRuntime
from vclr_pl.optim.optimizer import LinearScaledSGD, UniformGroups
from vclr_pl.optim.schedule import StepDecay, TrainingLength
from vclr_pl.recognizer.module import RecognizerModule
from vclr_pl.types import BrokenVideo

VIEW = RecognitionView(segments=2, crop_pixels=4, short_side_pixels=4, crops="three", mean=(0, 0, 0), std=(1, 1, 1))


class Brightness(nn.Module):
    """Two channels to two features."""

    feature_dim = 2

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(2)
        self.sizes: list[int] = []

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(frames))
        return frames.mean((2, 3)) + 0 * self.norm.weight


def module(*, mode: str = "full") -> RecognizerModule:
    network = RecognitionNetwork(backbone=Brightness(), classes=2, dropout=0.0, dropout_over="video", head_std=0.1, shift=None, mode=mode)
    with torch.no_grad():
        network.head.weight.copy_(torch.eye(2))
    made = RecognizerModule(
        recognizer=network,
        parameter_groups=UniformGroups(),
        optimizer=LinearScaledSGD(lr=0.01, reference_batch_size=256, momentum=0.9, weight_decay=0.0),
        schedule=StepDecay(decay_epochs=[1], decay_factor=0.1),
        runtime=EncoderRuntime(channels_last=False, compile=False),
        linear_lr_factor=10,
    )
    made.length = TrainingLength(batch_size=4, world_size=2, accumulated_batches=2, steps_per_epoch=5, total_steps=10)
    return made


def stage(*, has_test: bool = True, broken: tuple[BrokenVideo, ...] = (), **changes: Any) -> SimpleNamespace:
    source = data(has_test=has_test, broken=broken)
    source.manifest = lambda split: Listed(6 + len(broken))
    source.segments, source.evaluation_view = 3, VIEW
    source.footage, source.workers, source.batches_bytes, source.view_shape = lambda: Footage(videos=6), 0, None, None
    source.sampling = SimpleNamespace(frames_per_clip=1, frame_stride=1, segments=3)
    return trainer(datamodule=source, **changes)


class Listed:
    def __init__(self, videos: int) -> None:
        self.videos = videos

    def __len__(self) -> int:
        return self.videos

    def path(self, index: int) -> str:
        return f"video_{index}.mp4"
