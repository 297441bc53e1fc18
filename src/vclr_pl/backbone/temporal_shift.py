"""The temporal shift of TSM (Lin et al. 2019, section 3): part of a frame's channels come from the next frame, part from the one before.

It is applied before the first convolution of every residual block, the "residual shift" of section 4.1: the shortcut passes the
frame unchanged. It adds no parameters and renames none. Blocks without a shortcut stay, as in the published MobileNetV2. Where `layer3`
has 23 blocks or more (ResNet-101), only every second block of a stage is shifted, as in the published code (mmaction2's `n_round`).

Legend: B videos, S segments, N = B S frames, C channels, H W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vclr_pl.backbone.declaration import takes_clips
from vclr_pl.types import InputError

DEEP = 23  # blocks of layer3
# Classes of torchvision and timm whose blocks always have a shortcut, and what others call that they have one.
RESIDUAL_BLOCKS = {"BasicBlock", "Bottleneck", "BottleneckTransform", "ConvNeXtBlock", "CNBlock"}
HAS_SHORTCUT = ("has_skip", "use_res_connect", "apply_residual")


def temporal_shift(frames_NCHW: Tensor, *, segments: int, divisor: int) -> Tensor:
    """`[N, C, H, W]` to the same: of the first C // divisor channels each frame shows those of the next frame of its video, of as
    many more those of the frame before, zeros where there is none; the rest stay. Frames of a video follow one another.

    Raises:
        ValueError: when N is no multiple of `segments`.
    """
    frames, channels = frames_NCHW.shape[:2]
    if frames % segments:
        raise ValueError(f"{frames} frames are no whole videos of {segments} segments")
    share = channels // divisor
    earlier_from_later, later_from_earlier, kept = frames_NCHW.split([share, share, channels - 2 * share], dim=1)
    shifted = torch.cat([_from_next(earlier_from_later, segments), _from_previous(later_from_earlier, segments), kept], dim=1)
    if frames_NCHW.dim() == 4 and frames_NCHW.is_contiguous(memory_format=torch.channels_last):
        return shifted.contiguous(memory_format=torch.channels_last)
    return shifted


def _from_next(part_NCHW: Tensor, segments: int) -> Tensor:
    part = part_NCHW.unflatten(0, (-1, segments))
    return torch.cat([part[:, 1:], torch.zeros_like(part[:, :1])], dim=1).flatten(0, 1)


def _from_previous(part_NCHW: Tensor, segments: int) -> Tensor:
    part = part_NCHW.unflatten(0, (-1, segments))
    return torch.cat([torch.zeros_like(part[:, :1]), part[:, :-1]], dim=1).flatten(0, 1)


class ShiftedConvolution(nn.Conv2d):
    """A convolution, its own parameters, on frames `[N, C, H, W]` shifted in time.

    Args:
        convolution: its parameters are used.
        segments: frames of a video.
        divisor: 1 / divisor of the channels moves in each direction.
    """

    def __init__(self, convolution: nn.Conv2d, *, segments: int, divisor: int) -> None:
        super().__init__(
            convolution.in_channels,
            convolution.out_channels,
            convolution.kernel_size,  # type: ignore[arg-type]
            stride=convolution.stride,  # type: ignore[arg-type]
            padding=convolution.padding,  # type: ignore[arg-type]
            dilation=convolution.dilation,  # type: ignore[arg-type]
            groups=convolution.groups,
            bias=convolution.bias is not None,
            padding_mode=convolution.padding_mode,
            device="meta",  # nothing is drawn at random: the parameters below replace these
        )
        self.weight, self.bias = convolution.weight, convolution.bias
        self.segments, self.divisor = segments, divisor

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(temporal_shift(input, segments=self.segments, divisor=self.divisor))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, segments={self.segments}, divisor={self.divisor}"


class ResidualShift:
    """Adds the shift to a network of residual blocks.

    Args:
        segments: frames of a video, in training and at test.
        divisor: 8 in the paper: an eighth of the channels from the next frame, an eighth from the one before.
    """

    def __init__(self, *, segments: int, divisor: int) -> None:
        if divisor < 2:
            raise InputError(expected="at least 2", got=f"shift.divisor={divisor}", hint="Set 8, as published.")
        self.segments, self.divisor = segments, divisor

    def apply(self, backbone: nn.Module) -> None:
        """Replace the first convolution of the residual blocks of a 2D network in place; parameters and their names stay.

        Raises:
            InputError: for a network of clips, or one without residual blocks of convolutions.
        """
        names = [f"{block}.{_first_convolution(backbone.get_submodule(block))}" for block in _chosen(backbone)]
        convolutions = [backbone.get_submodule(name) for name in names]
        if not names or takes_clips(backbone) or any(type(layer) not in (nn.Conv2d, ShiftedConvolution) for layer in convolutions):
            raise InputError(
                expected="a network of frames with residual blocks of convolutions, for the temporal shift",
                got=type(backbone).__name__,
                hint="Choose recognizer=tsn, or a backbone such as resnet50.",
            )
        if any(isinstance(layer, ShiftedConvolution) for layer in convolutions):
            raise InputError(expected="a network without a temporal shift", got="one that has it", hint="Shift it once.")
        for name, layer in zip(names, convolutions, strict=True):
            assert isinstance(layer, nn.Conv2d)
            owner, _, own = name.rpartition(".")
            setattr(backbone.get_submodule(owner), own, ShiftedConvolution(layer, segments=self.segments, divisor=self.divisor))


def _first_convolution(block: nn.Module) -> str | None:
    """The name in the block of its first convolution, in the order of the layers."""
    return next((name for name, layer in block.named_modules() if isinstance(layer, nn.Conv2d)), None)


def _is_residual(block: nn.Module) -> bool:
    named = any(kind.__name__ in RESIDUAL_BLOCKS for kind in type(block).__mro__)
    return (named or any(getattr(block, name, False) is True for name in HAS_SHORTCUT)) and _first_convolution(block) is not None


def _chosen(backbone: nn.Module) -> list[str]:
    """The names of the blocks to shift: all of each stage, or in a deep network the first, the third and so on."""
    third = getattr(backbone, "layer3", None)
    every = 2 if third is not None and len(list(third.children())) >= DEEP else 1
    stages = [
        [f"{stage}.{name}" if stage else name for name, block in part.named_children() if _is_residual(block)]
        for stage, part in backbone.named_modules()
    ]
    return [name for stage in stages for name in stage[::every]]
