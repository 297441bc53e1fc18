"""What a backbone declares of itself, with defaults for a network that declares only its feature size.

| attribute | meaning | default |
|---|---|---|
| `feature_dim` | F, features of a frame or a clip | none: it is required |
| `takes_clips` | True for clips `[N, 3, T, H, W]`, False for frames `[N, 3, H, W]` | not checked |
| `input_normalization` | a `Normalization`, mean and std of the frames that it expects | the data's options, ImageNet's |
| `input_pixels` | height and width of the frames that it was made for; the view of an encoder without a file has this size | 224 |
| `takes_any_size` | False where it takes frames of `input_pixels` only | True |
| `usual_clip` | for networks of clips: `frames_per_clip` and `frame_stride` that it was made for | none |
| `takes_any_length` | False where it takes clips of the `frames_per_clip` of `usual_clip` only | True |
| `last_stage` | the layer of activation maps, by its name; empty where there is none | `layer4` or `stages` |
| `exported_as` | for networks of this package: how an exported file describes it, by a stable name | the config node |
| `fetch_weights` | for networks of a library: gives the library's image weights, by name, for `weight=pretrained` | none |
"""

from __future__ import annotations

from typing import Any

from torch import nn

from vclr_pl.types import InputError, Normalization


def feature_dim_of(backbone: Any) -> int:
    """F, from the attribute `feature_dim`.

    Raises:
        InputError: it is missing, or not a positive whole number.
    """
    width = getattr(backbone, "feature_dim", None)
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise InputError(
            expected="a backbone with an attribute feature_dim, the number of features that it gives for a frame or a clip",
            got=f"{_name(backbone)} {'without it' if width is None else f'with feature_dim={width!r}'}",
            hint="Set self.feature_dim in its __init__.",
        )
    return width


def takes_clips(backbone: Any) -> bool | None:
    """True for a network of clips, False for one of frames, None where the backbone does not declare it.

    Raises:
        InputError: it is neither True nor False.
    """
    found = getattr(backbone, "takes_clips", None)
    if found is not None and not isinstance(found, bool):
        raise InputError(
            expected="a backbone whose attribute takes_clips is True or False",
            got=f"{_name(backbone)} with takes_clips={found!r}",
            hint="Set self.takes_clips in its __init__.",
        )
    return found


def normalization_of(backbone: Any) -> Normalization | None:
    """Mean and standard deviation of the frames that the network expects, None where it does not declare them.

    Raises:
        InputError: the attribute `input_normalization` is something else.
    """
    found = getattr(backbone, "input_normalization", None)
    if found is not None and not isinstance(found, Normalization):
        raise InputError(
            expected="a backbone whose attribute input_normalization is a vclr_pl.types.Normalization",
            got=f"{_name(backbone)} with input_normalization={found!r}",
            hint="Set self.input_normalization in its __init__ to one of these.",
        )
    return found


def uses_batch_statistics(network: nn.Module) -> bool:
    """True if a layer's output for one frame depends on the other frames of the batch: a batch norm in training mode."""
    return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.training for layer in network.modules())


def input_pixels_of(backbone: Any) -> int | None:
    """Height and width of the frames that the network was made for, None where it does not declare them."""
    found = getattr(backbone, "input_pixels", None)
    return None if found is None else int(found)


def refuse_other_size(backbone: Any, *, pixels: int, option: str) -> None:
    """Refuse frames that the network cannot take.

    Args:
        pixels: height and width of the frames.
        option: that sets them.

    Raises:
        InputError: the backbone declares another size as its only one.
    """
    declared = input_pixels_of(backbone)
    if declared is not None and declared != pixels and not getattr(backbone, "takes_any_size", True):
        raise InputError(
            expected=f"frames of {declared} pixels, the only size that the backbone takes",
            got=f"{option}={pixels}",
            hint=f"Set {option}={declared}.",
        )


def refuse_other_length(backbone: Any, *, frames_per_clip: int, option: str) -> None:
    """Refuse clips that the network cannot take; arguments as in `refuse_other_size`.

    Raises:
        InputError: the backbone declares another length as its only one.
    """
    declared = dict(getattr(backbone, "usual_clip", {})).get("frames_per_clip")
    if declared is not None and declared != frames_per_clip and not getattr(backbone, "takes_any_length", True):
        raise InputError(
            expected=f"clips of {declared} frames, the only length that the backbone takes",
            got=f"{option}={frames_per_clip}",
            hint=f"Set {option}={declared}.",
        )


def refuse_other_views(backbone: Any, *, frames_per_clip: int, for_clips: str, for_frames: str) -> None:
    """Refuse clips for a network of frames, and frames for a network of clips.

    Args:
        for_clips, for_frames: what to do for a network of clips, of frames.

    Raises:
        InputError: the backbone declares that it takes the other kind.
    """
    declared = takes_clips(backbone)
    if declared is not None and declared != (frames_per_clip > 1):
        raise InputError(
            expected="clips for a network of clips, frames for a network of frames",
            got=f"sampling.frames_per_clip={frames_per_clip} for a backbone that takes {'clips' if declared else 'frames'}",
            hint=for_clips if declared else for_frames,
        )


def _name(backbone: Any) -> str:
    return f"{type(backbone).__module__}.{type(backbone).__qualname__}"
