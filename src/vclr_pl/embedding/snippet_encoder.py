"""What gives snippets their features: an encoder's pooled features, or a fine-tuned recognizer's logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import nn

from vclr_pl.embedding.frozen_encoder import FrozenEncoder, load_encoder
from vclr_pl.embedding.recognizer_file import EXPORT, load_recognizer

ONE_FRAME = 1  # snippets have their own sampling


class SnippetProtocol:
    """Loads encoders with their view.

    Args:
        crop_pixels, short_side_pixels, mean, std: None for what the file says, or, where it does not say it, for the published ones.
            A recognizer's file says it all; they are not used for it.
    """

    def __init__(
        self, *, crop_pixels: int | None, short_side_pixels: int | None, mean: Sequence[float] | None, std: Sequence[float] | None
    ) -> None:
        self.view: dict[str, Any] = {
            "frames": ONE_FRAME,
            "crop_pixels": crop_pixels,
            "short_side_pixels": short_side_pixels,
            "mean": mean,
            "std": std,
        }

    def load(self, path: str, *, momentum: bool, backbone: nn.Module | None) -> FrozenEncoder:
        """A recognizer where the path holds one, else what `load_encoder` makes of it."""
        if is_recognizer(path):
            return load_recognizer(path, backbone=backbone)
        return load_encoder(path, momentum=momentum, backbone=backbone, view=self.view)


def is_recognizer(path: str) -> bool:
    """Is this a fine-tuning run, or a file of one?"""
    file = Path(path).expanduser()
    file = file / EXPORT if file.is_dir() else file
    if not file.is_file() or file.suffix != ".safetensors":
        return False
    try:
        with safe_open(str(file), framework="pt") as opened:
            return "class_names" in (opened.metadata() or {})
    except SafetensorError:
        return False
