"""How torchvision names a ResNet's tensors. timm names them alike; mmaction2 pairs each convolution with its batch norm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from vclr_pl.types import InputError
from vclr_pl.weight.key_map import BACKBONE, CLASS_HEAD

FRAME_RESNET = re.compile(
    r"(?:conv1|bn1|layer[1-4]\.\d+\.(?:conv[1-3]|bn[1-3]|downsample\.[01]))\.(?:weight|bias|running_mean|running_var|num_batches_tracked)"
)
CLIP_STEM = "stem.0.weight"
FRAME_STEM = "conv1.weight"
LAST_STAGE = "layer4.0."


def resnet_tensors(tensors: Mapping[str, Tensor], *, form: str, clips: bool) -> dict[str, Tensor]:
    """The backbone by torchvision's names, and a classifier `fc.*` where there is one; heads of pretraining are left.

    Args:
        tensors: by this package's names.
        form: of the file to be written, for the error.
        clips: whether 3D networks have a place in it.

    Raises:
        InputError: when the backbone is no such ResNet, so that nobody could load the file.
    """
    backbone = {name.removeprefix(BACKBONE): tensor for name, tensor in tensors.items() if name.startswith(BACKBONE)}
    if not _is_resnet(backbone, clips=clips):
        raise InputError(
            expected=f"a ResNet of torchvision's{' for frames' if not clips else ''}, which the form {form} is for",
            got=f"a backbone with {', '.join(list(backbone)[:3]) or 'no tensors'}, ...",
            remedy="to=lightning keeps any network; to=onnx runs it anywhere.",
        )
    return backbone | {name: tensor for name, tensor in tensors.items() if name.startswith(CLASS_HEAD)}


def own_names_of(names: Iterable[str]) -> tuple[str, ...]:
    """torchvision's names as this package's."""
    return tuple(name if name.startswith(CLASS_HEAD) else BACKBONE + name for name in names)


def _is_resnet(backbone: Mapping[str, Tensor], *, clips: bool) -> bool:
    complete = any(name.startswith(LAST_STAGE) for name in backbone)
    if clips and CLIP_STEM in backbone:
        return complete
    stem = backbone.get(FRAME_STEM)
    return complete and stem is not None and stem.dim() == 4 and all(FRAME_RESNET.fullmatch(name) for name in backbone)
