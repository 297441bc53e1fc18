"""Load a frozen recognizer from its export, and read the weights of encoders and recognizers.

Legend: N frames or clips, K classes; `*view` a frame `[C, H, W]` or a clip `[C, T, H, W]`.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.backbone.temporal_shift import ResidualShift
from vclr_pl.data.transform.evaluation_view import RecognitionView
from vclr_pl.features.encoder import FrozenEncoder
from vclr_pl.features.encoder_file import build_backbone, read_encoder_file
from vclr_pl.features.run_folder import RECOGNIZER
from vclr_pl.types import InputError
from vclr_pl.weights.key_map import BACKBONE, CLASS_HEAD

EXPORT = RECOGNIZER
HINTS = f"Use the run folder of a fine-tuning run, or its {EXPORT}."


class FrozenRecognizer(FrozenEncoder):
    """A FrozenEncoder whose features are class logits; `backbone` is the RecognitionNetwork, `feature_dim` the number of classes.

    Its view is the center frames of the test's segments with a center crop; three or ten crops are used only in the test.
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
            InputError: the network has a temporal shift, and the frames are not whole videos with the segments of training.
        """
        if len(frames) % self.segments_per_pass:
            raise InputError(
                expected=f"whole videos of {self.segments_per_pass} frames, for this network's temporal shift",
                got=str(len(frames)),
                hint="Pass a multiple of this number, or use a recognizer without a shift (tsn).",
            )
        return super().pooled(frames)


def load_recognizer(path: str, *, backbone: nn.Module | None = None) -> FrozenRecognizer:
    """The recognizer of a fine-tuning run.

    Args:
        path: the run folder, or its `recognizer.safetensors`; no code in it is executed.
        backbone: the network below the linear layer, if the file's network is not of this package.

    Raises:
        InputError: the file does not exist, is not a recognizer, or has weights that do not fit the network it describes.
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
        mode="full",  # FrozenEncoder freezes the parameters; activation maps need the graph
    )
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(expected=f"the tensors of the network described in {file}", got=str(error), hint=HINTS) from error
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
        raise InputError(expected="a recognizer", got=f"{file}, which does not exist", hint=HINTS)
    try:
        with safe_open(str(file), framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (no mapping)
            described = {name: json.loads(text) for name, text in (opened.metadata() or {}).items()}
    except (SafetensorError, ValueError) as error:
        raise InputError(expected=f"safetensors in {file}", got=str(error), hint=HINTS) from error
    if "class_names" not in described or "head.weight" not in tensors:
        raise InputError(expected="a recognizer with its class names", got=f"{file} without class names", hint=HINTS)
    return tensors, described


logger = logging.getLogger(__name__)

OWN_BACKBONE, OWN_HEAD = "backbone.", "head."  # prefix of the backbone in a recognizer's network


class EncoderWeights:
    """Read a run folder of pretraining or fine-tuning, or any file that `encoder=` takes. The format is detected automatically.

    Args:
        path: the folder or file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Backbone (of the query encoder) by this package's names, a linear classifier as `fc.*`; without the heads of pretraining.

        Raises:
            InputError: as `read_encoder_file`, `load_recognizer`.
        """
        if is_recognizer(self.path):
            return _weights_of(load_recognizer(self.path))
        found = read_encoder_file(self.path, momentum=False)
        return {BACKBONE + name: tensor for name, tensor in found.backbone.items()} | dict(found.classifier)


def is_recognizer(path: str) -> bool:
    """True if `path` is a run folder with a fine-tuned recognizer, or such a file with any name."""
    file = Path(path).expanduser()
    file = file / EXPORT if file.is_dir() else file
    if file.suffix != ".safetensors" or not file.is_file():
        return False
    try:
        with safe_open(str(file), framework="pt") as opened:
            return "class_names" in (opened.metadata() or {})
    except SafetensorError:
        return False


def _weights_of(recognizer: FrozenRecognizer) -> dict[str, Tensor]:
    if recognizer.segments_per_pass > 1:
        logger.info("temporal shift over %d segments, stored only by mmaction2_tsm and onnx", recognizer.segments_per_pass)
    state = recognizer.backbone.state_dict()
    backbone = {BACKBONE + name.removeprefix(OWN_BACKBONE): tensor for name, tensor in state.items() if name.startswith(OWN_BACKBONE)}
    return backbone | {CLASS_HEAD + name.removeprefix(OWN_HEAD): tensor for name, tensor in state.items() if name.startswith(OWN_HEAD)}
