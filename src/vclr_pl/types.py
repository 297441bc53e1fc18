"""What crosses floors: frozen dataclasses, protocols, and the one error that a user reads.

Legend: B videos, S segments, V = 2 S + 1 views, C channels, T frames of a clip, H W pixels, N rows, F backbone features,
D projection, K queue rows; of snippets: D features, T positions, A segments. A view is `[C, H, W]` (a frame) or
`[C, T, H, W]` (a clip); `*view` stands for either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # commands use InputError before they need torch, whose import takes seconds
    import torch
    from torch import Tensor


class InputError(Exception):
    """Bad input, told in one line: what was expected, what came, what to do. Entry points exit with 2 on it."""

    def __init__(self, *, expected: str, got: str, hint: str) -> None:
        self.expected, self.got, self.hint = expected, got, hint
        super().__init__(f"expected {expected}; got {got}. {hint}")

    def __reduce__(self) -> tuple[object, ...]:  # keyword-only arguments must survive a worker's pickle
        return _rebuild_input_error, (self.expected, self.got, self.hint)


def _rebuild_input_error(expected: str, got: str, hint: str) -> InputError:
    return InputError(expected=expected, got=got, hint=hint)


@dataclass(frozen=True)
class BrokenVideo:
    """A video that could not be read: its path, the backend that tried, and the cause.

    `is_temporary`: the cause may lie outside the file (a time limit, too little memory, a disk), so that another try can succeed.
    """

    path: str
    backend: str
    reason: str
    is_temporary: bool = False


class BrokenVideosError(InputError):
    """All videos of a list, or too many of them, cannot be read. Entry points write `broken` to a file and name it."""

    def __init__(self, *, expected: str, got: str, hint: str, broken: Sequence[BrokenVideo]) -> None:
        super().__init__(expected=expected, got=got, hint=hint)
        self.broken = tuple(broken)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_broken_videos_error, (self.expected, self.got, self.hint, self.broken)


def _rebuild_broken_videos_error(expected: str, got: str, hint: str, broken: Sequence[BrokenVideo]) -> BrokenVideosError:
    return BrokenVideosError(expected=expected, got=got, hint=hint, broken=broken)


SLOW = "Where disk or processors are slow, set decoding.decode_timeout_seconds higher"


def broken_hint(broken: Sequence[BrokenVideo], *, lasting: str = "Replace or repair the files.") -> str:
    """What to do about `broken`: `lasting` for those that stay so, another try for those whose cause may lie outside the file."""
    temporary = sum(video.is_temporary for video in broken)
    if not temporary:
        return lasting
    if temporary == len(broken):
        return f"The files may be sound: mend the cause, and repeat the command. {SLOW}."
    return f"{lasting} {temporary} of the {len(broken)} may be sound. {SLOW}."


def nothing_readable(what: str, broken: Sequence[BrokenVideo], *, afterwards: str = "") -> BrokenVideosError:
    """The error for a list of which no video can be read; `what` says which list. It gives the first cause."""
    got = "none"
    if broken:
        first = broken[0]
        cause = f"{first.backend}: {first.reason}" if first.backend else first.reason
        got = f"none, {len(broken)} failed, the first is '{first.path}' ({cause})"
    hint = f"{broken_hint(broken)} {afterwards}".rstrip()
    return BrokenVideosError(expected=f"{what} that can be read", got=got, hint=hint, broken=broken)


def usual_short_side(crop_pixels: int) -> int:
    """The short side to which frames are resized before a crop of `crop_pixels`: 256 for 224, others in proportion."""
    return round(crop_pixels * 256 / 224)


@dataclass(frozen=True)
class NarrowView:
    """A video of whose frames the network sees little: its path, the frames' size, the crop and the share of the area that it covers."""

    path: str
    width_pixels: int
    height_pixels: int
    crop_pixels: int
    seen_fraction: float


@dataclass(frozen=True)
class SegmentViews:
    """One batch of the segment-contrastive task. Frames stand in temporal order; the orders say how the tuples are shown.

    Views 0..S-1 are the query frames, S..2S-1 the key frames, 2S the second augmentation of the anchor's frame.
    """

    views: Tensor  # [B, V, *view], uint8 from the worker, float and normalized after color augmentation
    color_parameters: Tensor  # [B, V, P] float32, drawn in the worker, applied on the device
    anchor_segment: Tensor  # [B] long, 0 or S - 1
    query_order: Tensor  # [B, S] long: the tuple shows segment query_order[b, s] at place s
    key_order: Tensor  # [B, S] long
    order_label: Tensor  # [B] long: query shuffled + 2 x key shuffled
    video_index: Tensor  # [B] long, position in the manifest
    broken: tuple[BrokenVideo, ...] = field(default=())  # videos that these samples replace

    @property
    def segments(self) -> int:
        return self.query_order.shape[1]

    @property
    def query_frames(self) -> Tensor:
        """`[B, S, *view]`, temporal order."""
        return self.views[:, : self.segments]

    @property
    def key_frames(self) -> Tensor:
        """`[B, S, *view]`, temporal order."""
        return self.views[:, self.segments : 2 * self.segments]

    @property
    def anchor_second_view(self) -> Tensor:
        """`[B, *view]`."""
        return self.views[:, 2 * self.segments]

    def __len__(self) -> int:
        return self.views.shape[0]

    def to(self, device: torch.device | str) -> SegmentViews:
        return replace(self, **{name: _moved(value, device) for name, value in _tensors(self).items()})

    def pin_memory(self) -> SegmentViews:
        return replace(self, **{name: value.pin_memory() for name, value in _tensors(self).items()})


@dataclass(frozen=True)
class LabeledViews:
    """One batch of recognition in training: one frame or clip of each segment, in temporal order, and the video's class."""

    views: Tensor  # [B, S, *view], uint8 from the worker, float and normalized after color augmentation
    color_parameters: Tensor  # [B, S, P] float32, drawn in the worker once a video, applied on the device
    label: Tensor  # [B] long
    video_index: Tensor  # [B] long, position in the manifest
    broken: tuple[BrokenVideo, ...] = field(default=())  # videos that these samples replace

    def __len__(self) -> int:
        return self.views.shape[0]

    def to(self, device: torch.device | str) -> LabeledViews:
        return replace(self, **{name: _moved(value, device) for name, value in _tensors(self).items()})

    def pin_memory(self) -> LabeledViews:
        return replace(self, **{name: value.pin_memory() for name, value in _tensors(self).items()})


@dataclass(frozen=True)
class VideoFrames:
    """One batch for evaluation: frames of whole videos, padded to the longest of the batch."""

    frames: Tensor  # [B, T, C, H, W], uint8 from the worker, float and normalized after `prepare`; clips [B, T, C, t, H, W]
    valid: Tensor  # [B, T] bool, False where padded; a broken video has no valid frame
    label: Tensor  # [B] long, -1 where there is none
    video_index: Tensor  # [B] long, position in the manifest
    broken: tuple[BrokenVideo, ...] = field(default=())
    narrow: tuple[NarrowView, ...] = field(default=())

    def __len__(self) -> int:
        return self.frames.shape[0]

    def to(self, device: torch.device | str) -> VideoFrames:
        return replace(self, **{name: _moved(value, device) for name, value in _tensors(self).items()})

    def pin_memory(self) -> VideoFrames:
        return replace(self, **{name: value.pin_memory() for name, value in _tensors(self).items()})


def _moved(tensor: Tensor, device: torch.device | str) -> Any:
    import torch  # see the top of the file

    return tensor.to(device, non_blocking=torch.device(device).type == "cuda")  # elsewhere a copy under way can be read too early


def _tensors(batch: object) -> dict[str, Any]:
    from torch import Tensor  # see the top of the file

    return {name: value for name, value in vars(batch).items() if isinstance(value, Tensor)}


@dataclass(frozen=True)
class SnippetBatch:
    """One batch of localization: features of untrimmed videos at T positions, and where the actions are."""

    features: Tensor  # [B, D, T] float32
    segments: tuple[Tensor, ...]  # float64 [A, 2] of each video, as fractions of what its snippets cover
    video_index: Tensor  # [B] long

    def __len__(self) -> int:
        return self.features.shape[0]

    def to(self, device: torch.device | str) -> SnippetBatch:
        return replace(self, **{name: _moved(value, device) for name, value in _tensors(self).items()})

    def pin_memory(self) -> SnippetBatch:
        return replace(self, **{name: value.pin_memory() for name, value in _tensors(self).items()})


@dataclass(frozen=True)
class Contrast:
    """What one head says of queries and keys, and the negatives kept from earlier steps.

    Heads `inter` and `intra`: query `[B, D]` is the anchor, key `[3, B, D]` its second view and the two other query frames
    (for S segments: `[S, B, D]`), unit norm. Head `segment`: `[B, D]` both, unit norm. Head `order`: `[B, S, D]` both, in
    the order shown, as the head gave them (the term scales them).
    """

    query: Tensor
    key: Tensor
    queue: Tensor | None = None  # [K, D] unit rows, as they were before this step
    own_video: Tensor | None = None  # [B, K] bool, True where a queue row is of the query's own video (masked negatives)


@dataclass(frozen=True)
class Projections:
    """All heads' features of one batch, by head name; a head that no term reads is absent."""

    by_head: Mapping[str, Contrast]
    order_label: Tensor  # [B] long


@dataclass(frozen=True)
class TermOutput:
    """A term's loss (scalar, unweighted, fp32 or wider) and what it shows of the run (detached scalars by name)."""

    loss: Tensor
    metrics: Mapping[str, Tensor]


@dataclass(frozen=True)
class ObjectiveTerms:
    """The weighted total and its terms by name."""

    total: Tensor
    terms: Mapping[str, TermOutput]


@dataclass(frozen=True)
class FeatureTable:
    """One feature a video. Rows stand in the order of the manifest; broken videos have no row."""

    features: Tensor  # [N, F] float32 on the CPU, not normalized
    label: Tensor  # [N] long, -1 where there is none
    video_index: Tensor  # [N] long
    path: tuple[str, ...]  # [N]
    class_names: tuple[str, ...] = ()
    broken: tuple[BrokenVideo, ...] = ()

    def __len__(self) -> int:
        return self.features.shape[0]


class Backbone(Protocol):
    """Images or clips `[N, *view]` to pooled features `[N, feature_dim]`."""

    feature_dim: int

    def __call__(self, frames: Tensor) -> Tensor: ...
