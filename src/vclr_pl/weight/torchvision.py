"""Plain torchvision backbones: a state dict of a ResNet, with or without its classifier."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from vclr_pl.weight.key_map import BACKBONE, CLASS_HEAD, KeyReport, load_by_name, read_safely, save_atomically, tensors_of
from vclr_pl.weight.resnet_names import own_names_of, resnet_tensors


class Torchvision:
    """Reads and writes the state dict that `torchvision.models.resnet50().load_state_dict` takes; of 3D networks too (`r3d_18`).

    Args:
        path: the `.pth` file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Backbone tensors by this package's names; a classifier `fc.*` keeps its own name and is reported as unused."""
        state = tensors_of(read_safely(self.path), path=self.path)
        return {key if key.startswith(CLASS_HEAD) else BACKBONE + key: tensor for key, tensor in state.items()}

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy into a `VCLRModule`'s backbone; heads stay as they are. See `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)

    def write(self, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Save the backbone under torchvision's names, with a classifier only where there is one (else load it with `strict=False`).

        Returns:
            This package's names of what was saved.

        Raises:
            InputError: when torchvision has no such network.
        """
        saved = resnet_tensors(tensors, form="torchvision", clips=True)
        save_atomically(saved, self.path)
        return own_names_of(saved)
