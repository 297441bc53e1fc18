"""Files of fine-tuned recognizers, as a run leaves them, with drawn weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.backbone.temporal_shift import ResidualShift
from vclr_pl.features.encoder_file import build_backbone
from vclr_pl.features.recognizer import EXPORT

SMALL: dict[str, Any] = {"_target_": "vclr_pl.backbone.resnet.SmallResNet", "widths": [4, 8], "stem_stride": 2}
RESNET18: dict[str, Any] = {"_target_": "vclr_pl.backbone.resnet.resnet", "name": "resnet18"}
CLASS_NAMES = ("jump", "run", "sit")
SHIFT = {"segments": 4, "divisor": 4}


def write_recognizer(folder: Path, *, architecture: dict[str, Any] = SMALL, shift: dict[str, int] | None = None) -> RecognitionNetwork:
    """A run folder with a recognizer of three classes that sees four segments in crops of 32 pixels; the network in it."""
    torch.manual_seed(6)
    network = RecognitionNetwork(
        backbone=build_backbone(architecture),
        classes=3,
        dropout=0.5,
        dropout_over="video",
        head_std=1.0,
        shift=None if shift is None else ResidualShift(**shift),
        mode="full",
    )
    description = {
        "architecture": architecture,
        "class_names": CLASS_NAMES,
        "shift": shift,
        "segments": 4,
        "crop_pixels": 32,
        "short_side_pixels": 40,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "frames_per_clip": 1,
        "frame_stride": 1,
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), folder / EXPORT, metadata={name: json.dumps(value) for name, value in description.items()})
    return network.eval()
