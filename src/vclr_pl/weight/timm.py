"""timm's ResNets (`resnet18` to `resnet152`): torchvision's names, in a `.pth` or in safetensors, which timm prefers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from vclr_pl.types import InputError
from vclr_pl.weight.key_map import (
    BACKBONE,
    CLASS_HEAD,
    KeyReport,
    load_by_name,
    read_safely,
    save_atomically,
    tensors_of,
)
from vclr_pl.weight.resnet_names import own_names_of, resnet_tensors
from vclr_pl.whole_file import write_whole

SAFETENSORS = ".safetensors"
WRAPPERS = ("state_dict_ema", "state_dict", "model")  # what timm's own checkpoints keep weights under, the averaged ones first


class Timm:
    """Reads and writes what `timm.create_model("resnet50", num_classes=0, checkpoint_path=...)` takes.

    Args:
        path: a `.safetensors` or `.pth` file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Backbone tensors by this package's names; a classifier `fc.*` keeps its own name.

        Raises:
            InputError: when the file is absent or holds no state dict, or when reading it would have to execute something.
        """
        state = self._tensors()
        # sorted: a safetensors file gives its tensors in another order every time
        return {key if key.startswith(CLASS_HEAD) else BACKBONE + key: tensor for key, tensor in sorted(state.items())}

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy into a `VCLRModule`'s backbone; heads stay as they are. See `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)

    def write(self, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Save the backbone, and a classifier where there is one; this package's names of what was saved.

        Raises:
            InputError: when timm has no such network.
        """
        saved = resnet_tensors(tensors, form="timm", clips=False)
        if self.path.endswith(SAFETENSORS):
            contents = save({name: tensor.contiguous() for name, tensor in saved.items()}, metadata={"format": "pt"})
            write_whole(Path(self.path), contents)
        else:
            save_atomically(saved, self.path)
        return own_names_of(saved)

    def _tensors(self) -> dict[str, Tensor]:
        if not self.path.endswith(SAFETENSORS):
            content = read_safely(self.path)
            found = next((content[key] for key in WRAPPERS if isinstance(content, dict) and key in content), content)
            return tensors_of(found, path=self.path)
        try:
            loaded: dict[str, Tensor] = load(Path(self.path).read_bytes())
        except (OSError, SafetensorError) as error:
            raise InputError(
                expected="a file of safetensors", got=f"{self.path}: {error}", remedy="Check the path and the form of the file."
            ) from None
        return loaded
