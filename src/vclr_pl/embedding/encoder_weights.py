"""The weights of whatever `encoder=` takes, as a form to convert from."""

from __future__ import annotations

from torch import Tensor

from vclr_pl.embedding.encoder_file import read_encoder_file
from vclr_pl.weight.key_map import BACKBONE


class EncoderWeights:
    """Reads a run folder or any file that `encoder=` takes; what it is, is seen in it.

    Args:
        path: of the folder or file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Backbone (of the query encoder) by this package's names, a linear classifier as `fc.*`; heads of pretraining are left.

        Raises:
            InputError: as `read_encoder_file`.
        """
        found = read_encoder_file(self.path, momentum=False)
        return {BACKBONE + name: tensor for name, tensor in found.backbone.items()} | dict(found.classifier)
