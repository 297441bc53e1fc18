"""What gives snippets their features: an encoder's pooled features, or a fine-tuned recognizer's logits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from torch import nn

from vclr_pl.embedding.encoder_weights import is_recognizer
from vclr_pl.embedding.frozen_encoder import FrozenEncoder, load_encoder
from vclr_pl.embedding.recognizer_file import FrozenRecognizer, load_recognizer
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)
ONE_FRAME = 1  # snippets have their own sampling


class SnippetProtocol:
    """Loads encoders with their view.

    Args:
        crop_pixels, short_side_pixels, mean, std: as of `EvaluationProtocol`. A recognizer's file says it all; they are not used for it.
    """

    def __init__(
        self, *, crop_pixels: int | None, short_side_pixels: int | str | None, mean: Sequence[float] | None, std: Sequence[float] | None
    ) -> None:
        self.view: dict[str, Any] = {
            "frames": ONE_FRAME,
            "crop_pixels": crop_pixels,
            "short_side_pixels": short_side_pixels,
            "mean": mean,
            "std": std,
        }

    def load(self, path: str, *, momentum: bool, backbone: nn.Module | None) -> FrozenEncoder:
        """A recognizer where the path holds one, else what `load_encoder` makes of it.

        Raises:
            InputError: a recognizer that looks at neighboring frames, and whatever the loaders find wrong.
        """
        if is_recognizer(path):
            recognizer = load_recognizer(path, backbone=backbone)
            _refuse_shift(recognizer)
            unused = [f"protocol.{name}" for name, value in self.view.items() if name != "frames" and value is not None]
            unused += ["momentum"] if momentum else []
            if unused:
                logger.warning("%s: not used, for a recognizer's file says how it sees, and holds one network", ", ".join(unused))
            return recognizer
        return load_encoder(path, momentum=momentum, backbone=backbone, view=self.view)


def _refuse_shift(recognizer: FrozenRecognizer) -> None:
    if recognizer.segments_per_pass > 1:
        raise InputError(
            expected="an encoder that describes each snippet by itself",
            got=f"{recognizer.origin}, whose temporal shift mixes {recognizer.segments_per_pass} frames of a video",
            remedy="Fine-tune one without it (the recognizer tsn), or give the pretrained encoder.",
        )
