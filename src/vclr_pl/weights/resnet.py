"""ResNet weights of torchvision and timm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from vclr_pl.files import write_whole
from vclr_pl.types import InputError
from vclr_pl.weights.key_map import (
    BACKBONE,
    CLASS_HEAD,
    KeyReport,
    load_by_name,
    read_safely,
    save_atomically,
    tensors_of,
)

FRAME_RESNET = re.compile(
    r"(?:conv1|bn1|layer[1-4]\.\d+\.(?:conv[1-3]|bn[1-3]|downsample\.[01]))\.(?:weight|bias|running_mean|running_var|num_batches_tracked)"
)
CLIP_STEM = "stem.0.weight"
FRAME_STEM = "conv1.weight"
LAST_STAGE = "layer4.0."


def resnet_tensors(tensors: Mapping[str, Tensor], *, form: str, clips: bool) -> dict[str, Tensor]:
    """The backbone by torchvision's names, and a classifier `fc.*` if there is one, without the heads of pretraining.

    Args:
        tensors: by this package's names.
        form: format of the file to write, for the error message.
        clips: true if the format supports 3D networks.

    Raises:
        InputError: the backbone is not such a ResNet, so the file could not be loaded.
    """
    backbone = {name.removeprefix(BACKBONE): tensor for name, tensor in tensors.items() if name.startswith(BACKBONE)}
    if not _is_resnet(backbone, clips=clips):
        raise InputError(
            expected=f"a ResNet of torchvision's{' for frames' if not clips else ''}, as required by the format {form}",
            got=f"a backbone with {', '.join(list(backbone)[:3]) or 'no tensors'}, ...",
            hint="to=lightning stores any network. to=onnx exports it for other runtimes.",
        )
    return backbone | {name: tensor for name, tensor in tensors.items() if name.startswith(CLASS_HEAD)}


def own_names_of(names: Iterable[str]) -> tuple[str, ...]:
    """Translate torchvision's names into this package's."""
    return tuple(name if name.startswith(CLASS_HEAD) else BACKBONE + name for name in names)


def _is_resnet(backbone: Mapping[str, Tensor], *, clips: bool) -> bool:
    complete = any(name.startswith(LAST_STAGE) for name in backbone)
    if clips and CLIP_STEM in backbone:
        return complete
    stem = backbone.get(FRAME_STEM)
    return complete and stem is not None and stem.dim() == 4 and all(FRAME_RESNET.fullmatch(name) for name in backbone)


class Torchvision:
    """Reads and writes the state dict for `torchvision.models.resnet50().load_state_dict`, also of 3D networks (`r3d_18`).

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
        """Copy into a `VCLRModule`'s backbone; heads are unchanged. See `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)

    def write(self, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Save the backbone under torchvision's names. Without a classifier, load the file with `strict=False`.

        Returns:
            The saved tensors, by this package's names.

        Raises:
            InputError: torchvision has no such network.
        """
        saved = resnet_tensors(tensors, form="torchvision", clips=True)
        save_atomically(saved, self.path)
        return own_names_of(saved)


SAFETENSORS = ".safetensors"
WRAPPERS = ("state_dict_ema", "state_dict", "model")  # keys of the weights in timm's own checkpoints, averaged weights first


class Timm:
    """Reads and writes files for `timm.create_model("resnet50", num_classes=0, checkpoint_path=...)`.

    Args:
        path: a `.safetensors` or `.pth` file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Backbone tensors by this package's names; a classifier `fc.*` keeps its own name.

        Raises:
            InputError: the file does not exist, contains no state dict, or could be read only by executing code in it.
        """
        state = self._tensors()
        # sorted: the order of the tensors from a safetensors file varies
        return {key if key.startswith(CLASS_HEAD) else BACKBONE + key: tensor for key, tensor in sorted(state.items())}

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy into a `VCLRModule`'s backbone; heads are unchanged. See `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)

    def write(self, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Save the backbone, and a classifier if there is one. Return the names of the saved tensors in this package.

        Raises:
            InputError: timm has no such network.
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
            state = next((content[key] for key in WRAPPERS if isinstance(content, dict) and key in content), content)
            return tensors_of(state, path=self.path)
        try:
            loaded: dict[str, Tensor] = load(Path(self.path).read_bytes())
        except (OSError, SafetensorError) as error:
            raise InputError(
                expected="a safetensors file", got=f"{self.path}: {error}", hint="Check the path and the format of the file."
            ) from None
        return loaded
