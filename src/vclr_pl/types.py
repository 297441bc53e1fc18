"""Dataclasses and protocols that cross layers, and the errors that users read.

Legend: B videos, S segments, V = 2 S + 1 views, C channels, T frames of a clip, H W pixels, N rows, F backbone features, D projection,
K queue rows. `*view` is a frame `[C, H, W]` or a clip `[C, T, H, W]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, Self

if TYPE_CHECKING:  # commands use InputError before they need torch, whose import takes seconds
    import torch
    from torch import Tensor


class InputError(Exception):
    """Bad input, reported in one line: what was expected, what was given, what to do. Entry points exit with 2."""

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
        return f"The files may be intact: fix the cause, then repeat the command. {SLOW}."
    return f"{lasting} {temporary} of the {len(broken)} may be intact. {SLOW}."


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
    """A video of whose frames the crop covers a small part: path, frame size, crop, and the covered fraction of the area."""

    path: str
    width_pixels: int
    height_pixels: int
    crop_pixels: int
    seen_fraction: float


class MovableBatch:
    """Moves and pins the tensors of a batch, a frozen dataclass, the way Lightning and the DataLoader ask for it."""

    def __len__(self) -> int:
        return len(next(iter(vars(self).values())))  # B rows in each

    def to(self, device: torch.device | str) -> Self:
        import torch  # see the top of the file

        # Not blocking only to a GPU: elsewhere a copy that is still under way can be read too early.
        asynchronous = torch.device(device).type == "cuda"
        return self._moved(lambda tensor: tensor.to(device, non_blocking=asynchronous))

    def pin_memory(self) -> Self:
        return self._moved(lambda tensor: tensor.pin_memory())

    def _moved(self, move: Callable[[Tensor], Tensor]) -> Self:
        from torch import Tensor  # see the top of the file

        def moved(value: object) -> object:
            return move(value) if isinstance(value, Tensor) else tuple(map(moved, value)) if isinstance(value, tuple) else value

        return replace(self, **{name: moved(value) for name, value in vars(self).items()})  # type: ignore[type-var]


@dataclass(frozen=True)
class KeyViews:
    """The n views of each key that this rank encodes in one pass, with batch norms among other videos than their queries."""

    views: Tensor  # [B, n, *view], uint8, float and normalized after color augmentation
    color_parameters: Tensor  # [B, n, P] float32


@dataclass(frozen=True)
class SegmentViews(MovableBatch):
    """One batch of the segment-contrastive task. Frames are in temporal order; the orders give the order within each tuple.

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
    received: tuple[KeyViews, ...] = field(default=())  # of all ranks' videos, one a pass; empty where each rank encodes its own

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


@dataclass(frozen=True)
class LabeledViews(MovableBatch):
    """One batch of recognition in training: one frame or clip of each segment, in temporal order, and the video's class."""

    views: Tensor  # [B, S, *view], uint8 from the worker, float and normalized after color augmentation
    color_parameters: Tensor  # [B, S, P] float32, drawn in the worker once a video, applied on the device
    label: Tensor  # [B] long
    video_index: Tensor  # [B] long, position in the manifest
    broken: tuple[BrokenVideo, ...] = field(default=())  # videos that these samples replace


@dataclass(frozen=True)
class LabeledFeatures(MovableBatch):
    """One batch of recognition on a frozen backbone: the features that replace LabeledViews.views, and the video's class."""

    features: Tensor  # [B, S, F], or [B, 1, F] where the mean over segments is all that is needed
    label: Tensor  # [B] long
    video_index: Tensor  # [B] long, position in the manifest
    broken: tuple[BrokenVideo, ...] = field(default=())  # always empty: they were counted when the features were computed


@dataclass(frozen=True)
class VideoFrames(MovableBatch):
    """One batch for evaluation: frames of whole videos, padded to the longest of the batch."""

    frames: Tensor  # [B, T, C, H, W], uint8 from the worker, float and normalized after `prepare`; clips [B, T, C, t, H, W]
    valid: Tensor  # [B, T] bool, False where padded; a broken video has no valid frame
    label: Tensor  # [B] long, -1 where there is none
    video_index: Tensor  # [B] long, position in the manifest
    broken: tuple[BrokenVideo, ...] = field(default=())
    narrow: tuple[NarrowView, ...] = field(default=())


HeadInput = Literal["frames", "tuple", "tuple_mean"]


@dataclass(frozen=True, kw_only=True)
class TermNeeds:
    """What a term of the objective reads.

    `head_input` chooses the pooled features that the head projects, and the shapes of the term's `Contrast`:

    - `frames`: the anchor, query `[B, D]`, against its second view and the query frames of the other segments, keys `[S, B, D]`.
    - `tuple`: the frames of both tuples in the order shown, query and key `[B, S, D]`.
    - `tuple_mean`: the mean over each tuple, query and key `[B, D]`.
    """

    head: str  # name of the projection head; terms may share one
    head_input: HeadInput
    unit_norm: bool  # scale the projections to unit norm
    queue: str | None = None  # name of the queue that keeps the keys of earlier steps; None for no queue

    def keys_per_video(self, segments: int) -> int:
        """How many keys a video adds to the queue at each step."""
        return 1 if self.head_input == "tuple_mean" else segments


@dataclass(frozen=True)
class Contrast:
    """Projected queries and keys of one head, in the shapes of its `TermNeeds.head_input`, and the keys of earlier steps."""

    query: Tensor
    key: Tensor
    queue: Tensor | None = None  # [K, D] as before this step
    own_video: Tensor | None = None  # [B, K] bool, True where a queue row is of the query's own video (masked negatives)


@dataclass(frozen=True)
class Projections:
    """All heads' features of one batch, by head name; a head that no term reads is absent."""

    by_head: Mapping[str, Contrast]
    order_label: Tensor  # [B] long


@dataclass(frozen=True)
class TermOutput:
    """A term's loss (scalar, unweighted, float32 or wider) and its metrics for the log (detached scalars by name)."""

    loss: Tensor
    metrics: Mapping[str, Tensor]


@dataclass(frozen=True)
class ObjectiveTerms:
    """The weighted total and its terms by name."""

    total: Tensor
    terms: Mapping[str, TermOutput]


@dataclass(frozen=True)
class FeatureTable:
    """One feature per video. Rows are in the order of the manifest; broken videos have no row."""

    features: Tensor  # [N, F] float32 on the CPU, not normalized
    label: Tensor  # [N] long, -1 where there is none
    video_index: Tensor  # [N] long
    path: tuple[str, ...]  # [N]
    class_names: tuple[str, ...] = ()
    broken: tuple[BrokenVideo, ...] = ()

    def __len__(self) -> int:
        return self.features.shape[0]


@dataclass(frozen=True)
class VideoSegment:
    """A part of a video: frames from 0, end exclusive, and seconds. A folder of pictures is not timed: a given rate makes its seconds."""

    video: int  # position in its list
    frames: tuple[int, int]
    seconds: tuple[float, float]
    is_timed: bool = True


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """Mean and standard deviation of each channel of the frames that a network expects, for RGB in 0 to 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Backbone(Protocol):
    """Images or clips `[N, *view]` to pooled features `[N, feature_dim]`; `backbone.declaration` lists what else it can declare."""

    feature_dim: int

    def __call__(self, frames: Tensor) -> Tensor: ...
