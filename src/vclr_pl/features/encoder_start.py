"""The backbone of any encoder as the start of pretraining."""

from __future__ import annotations

from typing import Any

from vclr_pl.backbone.declaration import input_pixels_of
from vclr_pl.features.encoder_file import read_encoder_file
from vclr_pl.features.named_encoder import named_network
from vclr_pl.features.sharing import local_path
from vclr_pl.weights.key_map import BACKBONE, KeyReport, load_by_name


class EncoderStart:
    """Reads the backbone of anything that `encoder=` takes.

    Args:
        path: a run folder, backbone.safetensors, a folder of `save_pretrained`, `hf://owner/name`, `timm:NAME`, or another known file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def load_into(self, module: Any) -> KeyReport:
        """Copy into a `VCLRModule`'s backbone; heads are unchanged.

        Raises:
            InputError: no such encoder, or one of another network.
        """
        backbone = module.encoder.backbone
        named = named_network(self.path, crop_pixels=input_pixels_of(backbone))
        network = None if named is None else named.network
        tensors = read_encoder_file(local_path(self.path), momentum=False).backbone if network is None else network.state_dict()
        return load_by_name(module, {BACKBONE + name: tensor for name, tensor in tensors.items()}, path=self.path)
