"""The temporal shift of TSM (Lin et al. 2019, section 3): part of a frame's channels come from the next frame, part from the one before.

It is applied before the first convolution of every residual block, the "residual shift" of section 4.1: the shortcut passes the
frame unchanged. It adds no parameters and renames none. Where `layer3` has 23 blocks or more (ResNet-101), only every second block
of a stage is shifted, as in the published code (mmaction2's `n_round`).

Legend: B videos, S segments, N = B S frames, C channels, H W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from vclr_pl.backbone.declaration import takes_clips
from vclr_pl.types import InputError

DEEP = 23  # blocks of layer3


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
        """Replace `conv1` of the residual blocks of a 2D network in place; parameters and their names stay.

        Raises:
            InputError: for a network of clips, or one without residual blocks.
        """
        blocks = [block for block in backbone.modules() if isinstance(block, BasicBlock | Bottleneck)]
        if not blocks or takes_clips(backbone):
            raise InputError(
                expected="a ResNet of frames for the temporal shift",
                got=type(backbone).__name__,
                hint="Choose recognizer=tsn, or a backbone such as resnet50.",
            )
        if any(isinstance(block.conv1, ShiftedConvolution) for block in blocks):
            raise InputError(expected="a network without a temporal shift", got="one that has it", hint="Shift it once.")
        for block in _chosen(backbone):
            block.conv1 = ShiftedConvolution(block.conv1, segments=self.segments, divisor=self.divisor)


def _chosen(backbone: nn.Module) -> list[BasicBlock | Bottleneck]:
    """The blocks to shift: all of each stage, or in a deep network the first, the third and so on."""
    stages = [[block for block in part.children() if isinstance(block, BasicBlock | Bottleneck)] for part in backbone.modules()]
    third = getattr(backbone, "layer3", None)
    every = 2 if third is not None and len(list(third.children())) >= DEEP else 1
    return [block for stage in stages for block in stage[::every]]
