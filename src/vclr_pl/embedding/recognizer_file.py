"""A fine-tuned recognizer for use: frames in, class logits out, with the view that it was tested with.

Legend: N frames or clips, K classes; `*view` a frame `[C, H, W]` or a clip `[C, T, H, W]`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.backbone.tsm_resnet import ResidualShift
from vclr_pl.data.transform.recognition_view import RecognitionView
from vclr_pl.embedding.architecture import build_backbone
from vclr_pl.embedding.encoder_file import RECOGNIZER
from vclr_pl.embedding.frozen_encoder import FrozenEncoder
from vclr_pl.types import InputError

EXPORT = RECOGNIZER
REMEDY = f"Give the run folder of a fine-tuning run, or its {EXPORT}."


class FrozenRecognizer(FrozenEncoder):
    """A FrozenEncoder whose features are class logits; `backbone` is the RecognitionNetwork, `feature_dim` the number of classes.

    Its view is the centers of the test's segments, one center crop of each: three or ten crops serve the test alone.
    """

    def __init__(
        self,
        *,
        recognizer: RecognitionNetwork,
        view: RecognitionView,
        class_names: tuple[str, ...],
        frames_per_clip: int,
        frame_stride: int,
        origin: str,
    ) -> None:
        super().__init__(backbone=recognizer, view=view, frames_per_clip=frames_per_clip, frame_stride=frame_stride, origin=origin)
        self.class_names, self.segments_per_pass = class_names, recognizer.segments_per_pass

    def pooled(self, frames: Tensor) -> Tensor:
        """`[N, *view]` to float32 logits `[N, K]`.

        Raises:
            InputError: a shifted network gets frames that are no whole videos of as many segments as it was trained with.
        """
        if len(frames) % self.segments_per_pass:
            raise InputError(
                expected=f"frames in whole videos of {self.segments_per_pass}, over which this network shifts",
                got=str(len(frames)),
                remedy="Give as many, or take a recognizer without a shift (tsn).",
            )
        return super().pooled(frames)


def load_recognizer(path: str, *, backbone: nn.Module | None = None) -> FrozenRecognizer:
    """The recognizer of a fine-tuning run.

    Args:
        path: the run folder, or its `recognizer.safetensors`; nothing in it is executed.
        backbone: the network under the linear layer, where the file names one that is not of this package.

    Raises:
        InputError: nothing there, another kind of file, or weights that do not fit the network that the file describes.
    """
    file = Path(path).expanduser()
    file = file / EXPORT if file.is_dir() else file
    tensors, described = _read(file)
    shift = described["shift"]
    network = RecognitionNetwork(
        backbone=backbone if backbone is not None else build_backbone(described["architecture"] or {}),
        classes=len(described["class_names"]),
        dropout=0.0,
        dropout_over="video",
        head_std=0.0,
        shift=None if shift is None else ResidualShift(**shift),
        mode="full",  # FrozenEncoder freezes it; activation maps need the graph
    )
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(expected=f"the tensors of the network that {file} describes", got=str(error), remedy=REMEDY) from error
    view = {name: described[name] for name in ("segments", "crop_pixels", "short_side_pixels", "mean", "std")}
    return FrozenRecognizer(
        recognizer=network,
        view=RecognitionView(**view, crops="center"),
        class_names=tuple(described["class_names"]),
        frames_per_clip=described["frames_per_clip"],
        frame_stride=described["frame_stride"],
        origin=f"recognizer {file}",
    )


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not file.is_file():
        raise InputError(expected="a recognizer", got=f"{file}, which does not exist", remedy=REMEDY)
    try:
        with safe_open(str(file), framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (no mapping)
            described = {name: json.loads(text) for name, text in (opened.metadata() or {}).items()}
    except (SafetensorError, ValueError) as error:
        raise InputError(expected=f"safetensors in {file}", got=str(error), remedy=REMEDY) from error
    if "class_names" not in described or "head.weight" not in tensors:
        raise InputError(expected="a recognizer with its class names", got=f"{file} without them", remedy=REMEDY)
    return tensors, described
