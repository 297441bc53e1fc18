"""The weights of whatever `encoder=` takes, as a form to convert from."""

from __future__ import annotations

import logging
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vclr_pl.embedding.encoder_file import read_encoder_file
from vclr_pl.embedding.recognizer_file import EXPORT, FrozenRecognizer, load_recognizer
from vclr_pl.weight.key_map import BACKBONE, CLASS_HEAD

logger = logging.getLogger(__name__)

OWN_BACKBONE, OWN_HEAD = "backbone.", "head."  # of a recognizer's network


class EncoderWeights:
    """Reads a run folder, of pretraining or fine-tuning, or any file that `encoder=` takes; what it is, is seen in it.

    Args:
        path: of the folder or file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Backbone (of the query encoder) by this package's names, a linear classifier as `fc.*`; heads of pretraining are left.

        Raises:
            InputError: as `read_encoder_file`, `load_recognizer`.
        """
        if is_recognizer(self.path):
            return _weights_of(load_recognizer(self.path))
        found = read_encoder_file(self.path, momentum=False)
        return {BACKBONE + name: tensor for name, tensor in found.backbone.items()} | dict(found.classifier)


def is_recognizer(path: str) -> bool:
    """Whether a fine-tuned recognizer is there: a run folder with one, or its file under any name."""
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
        logger.info("a temporal shift over %d segments, which mmaction2_tsm and onnx keep", recognizer.segments_per_pass)
    state = recognizer.backbone.state_dict()
    backbone = {BACKBONE + name.removeprefix(OWN_BACKBONE): tensor for name, tensor in state.items() if name.startswith(OWN_BACKBONE)}
    return backbone | {CLASS_HEAD + name.removeprefix(OWN_HEAD): tensor for name, tensor in state.items() if name.startswith(OWN_HEAD)}
