"""Plain torchvision backbones: a state dict of a ResNet, with or without its classifier."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from vclr_pl.weight.key_map import BACKBONE, KeyReport, load_by_name, read_safely, save_atomically, tensors_of

CLASSIFIER = "fc."


class Torchvision:
    """Reads and writes the state dict that `torchvision.models.resnet50().load_state_dict` takes.

    Args:
        path: the `.pth` file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Backbone tensors by this package's names; a classifier `fc.*` keeps its own name and is reported as unused."""
        state = tensors_of(read_safely(self.path), path=self.path)
        return {key if key.startswith(CLASSIFIER) else BACKBONE + key: tensor for key, tensor in state.items()}

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy into a `VCLRModule`'s backbone; heads stay as they are. See `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)

    def write(self, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Save the backbone under torchvision's names, without a classifier (load it with `strict=False`); the names saved."""
        saved = {name: tensor for name, tensor in tensors.items() if name.startswith(BACKBONE)}
        save_atomically({name.removeprefix(BACKBONE): tensor for name, tensor in saved.items()}, self.path)
        return tuple(saved)
