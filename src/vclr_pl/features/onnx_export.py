"""Export an encoder as an ONNX file, for runtimes without torch.

Legend: B frames or clips, C = 3 channels, t frames of a clip, H W pixels, F features; `*view` a frame `[C, H, W]` or a clip `[C, t, H, W]`.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vclr_pl.backbone.declaration import feature_dim_of
from vclr_pl.features.encoder import FrozenEncoder
from vclr_pl.files import whole_file
from vclr_pl.types import InputError

INPUT, FEATURES, LOGITS, BATCH = "frames", "features", "logits", "batch"
PACKAGES = ("onnx", "onnxscript")
NOISY = ("torch.onnx", "onnxscript", "onnx_ir")  # they log every pass and version conversion


class OnnxFile:
    """Writes encoders as ONNX.

    Args:
        path: path of the file, for instance `encoder.onnx`.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def write_encoder(self, encoder: FrozenEncoder) -> None:
        """Save the network with input `frames`, float32 `[B, *view]`, normalized, and output `features`, float32 `[B, F]`; B is free.

        Height and width are those of the encoder's crop. The file's metadata give its input as JSON: `size_pixels`,
        `short_side_pixels`, `mean` and `std` (for RGB in 0 to 1), `frames_per_clip`, `frame_stride` and `feature_dim`. By
        `pooling_segments` S, `FramePooling` turns the features of a video's frames into its feature. The weights are in the same
        file, which is written atomically. A recognizer's output is `logits`, and `class_names` are in the metadata; with a
        temporal shift the input is whole videos, B a multiple of `segments`.

        Raises:
            InputError: onnx or onnxscript is not installed.
        """
        _require_packages()
        segments = segments_of(encoder)
        example = torch.zeros(2 * segments, *view_shape(encoder))
        batch = torch.export.Dim(BATCH) if segments == 1 else segments * torch.export.Dim("videos")
        with _quiet():
            program: Any = torch.onnx.export(
                _Pooled(encoder).eval(),
                (example,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[LOGITS if class_names_of(encoder) else FEATURES],
                dynamic_shapes=({0: batch},),
                verbose=False,
            )
            program.model.metadata_props.update(description(encoder))
            with whole_file(Path(self.path)) as draft:
                program.save(draft, external_data=False)


class _Pooled(nn.Module):
    def __init__(self, encoder: FrozenEncoder) -> None:
        super().__init__()
        self.backbone = encoder.backbone

    def forward(self, frames: Tensor) -> Tensor:
        features: Tensor = self.backbone(frames)
        return features.float()


def segments_of(encoder: FrozenEncoder) -> int:
    """Frames of a joint input: the segments of a temporal shift, else 1."""
    return int(getattr(encoder, "segments_per_pass", 1))


def class_names_of(encoder: FrozenEncoder) -> list[str]:
    """Class names of a recognizer; empty for an encoder."""
    return list(getattr(encoder, "class_names", ()))


def view_shape(encoder: FrozenEncoder) -> tuple[int, ...]:
    """Shape of an input frame `(C, H, W)` or clip `(C, t, H, W)`."""
    pixels = encoder.view.crop_pixels
    clip = (encoder.frames_per_clip,) if encoder.frames_per_clip > 1 else ()
    return (3, *clip, pixels, pixels)


def description(encoder: FrozenEncoder) -> dict[str, str]:
    """Description of the network's input, each value as JSON."""
    recognizer = {"class_names": class_names_of(encoder), "segments": segments_of(encoder)} if class_names_of(encoder) else {}
    figures: dict[str, Any] = {
        "size_pixels": encoder.view.crop_pixels,
        "short_side_pixels": encoder.view.short_side_pixels,
        "mean": list(encoder.view.mean),
        "std": list(encoder.view.std),
        "frames_per_clip": encoder.frames_per_clip,
        "frame_stride": encoder.frame_stride,
        "feature_dim": feature_dim_of(encoder.backbone),
        "pooling_segments": encoder.pooling.segments,
        **recognizer,
    }
    return {name: json.dumps(value) for name, value in figures.items()}


def _require_packages() -> None:
    for package in PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError:
            raise InputError(
                expected=f"the package {package}, to write ONNX", got="a machine without it", hint="pip install onnx onnxscript"
            ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in NOISY}
    try:
        for name in NOISY:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
