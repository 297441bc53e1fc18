"""One feature per video: the average of its frames' pooled features.

Training always evaluates this way, as published. The option `protocol.pooling` belongs to trained encoders (`features/pooling.py`).

Legend: B videos of a batch, T frames, M valid frames of a batch, N videos of all ranks, F features; `*view` a frame or a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vclr_pl.op.collective import gather_objects
from vclr_pl.stop import stop_if_requested
from vclr_pl.types import BrokenVideo, FeatureTable, InputError, VideoFrames

AUTOCAST_DTYPE = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass
class _Rows:
    """Results of one rank."""

    features: list[Tensor] = field(default_factory=list)  # [rows, F] each, the last one on the device until the next is computed
    label: list[Tensor] = field(default_factory=list)
    video_index: list[Tensor] = field(default_factory=list)
    broken: list[BrokenVideo] = field(default_factory=list)


def extract_features(
    *,
    encoder: Callable[[Tensor], Tensor],
    batches: Iterable[VideoFrames],
    prepare: Callable[[VideoFrames], VideoFrames],
    path: Callable[[int], str],
    class_names: Sequence[str],
    device: torch.device | str,
    precision: str,
    frames_per_pass: int,
) -> FeatureTable:
    """The table of all ranks' videos, equal on every rank, in order of the manifest, each video once.

    Args:
        encoder: frames `[M, *view]` to pooled features `[M, F]`; a network or its method. It is set to evaluation mode meanwhile.
        batches: videos of this rank.
        prepare: normalizes a batch on the device.
        path: path of a video by its index.
        class_names: class names by label.
        precision: `32-true`, `bf16-mixed` or `16-mixed`, precision of the network; averages are float32.
        frames_per_pass: largest M of one call of the encoder.

    Raises:
        InputError: an unknown precision.
    """
    refuse_unknown_precision(precision)
    rows = _Rows()
    dtype, kind = AUTOCAST_DTYPE[precision], torch.device(device).type
    with torch.no_grad(), evaluation_mode(encoder), torch.autocast(kind, dtype=dtype, enabled=dtype is not None):
        for batch in batches:
            stop_if_requested()
            _add_batch(rows, batch, prepare(batch.to(device)).frames, encoder, path, frames_per_pass)
    _copy_to_main_memory(rows.features)
    return _merge(gather_objects(rows), path, class_names)


def refuse_unknown_precision(precision: str) -> None:
    """Check the precision early, before a long run whose end extracts features.

    Raises:
        InputError: features cannot be extracted with this precision.
    """
    if precision not in AUTOCAST_DTYPE:
        known = ", ".join(AUTOCAST_DTYPE)
        raise InputError(expected=f"precision to be one of {known}", got=str(precision), hint="Set trainer.precision to a supported value.")


@contextmanager
def evaluation_mode(encoder: object) -> Iterator[None]:
    """Set the network, or the network of this method, to evaluation mode; restore every module's mode afterwards."""
    network = getattr(encoder, "__self__", encoder)
    parts = list(network.modules()) if isinstance(network, nn.Module) else []
    training = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        yield
    finally:
        for part, was_training in zip(parts, training, strict=True):
            part.training = was_training


def _add_batch(
    rows: _Rows,
    batch: VideoFrames,
    frames: Tensor,
    encoder: Callable[[Tensor], Tensor],
    path: Callable[[int], str],
    frames_per_pass: int,
) -> None:
    """Add the features of a batch in main memory, whose normalized `frames` [B, T, *view] are on the device.

    What is selected is known in main memory: a mask on the device would have to be copied back first.
    """
    valid_M = batch.valid.flatten().nonzero().squeeze(1)
    valid_frames_B = batch.valid.sum(dim=1)
    readable_B = valid_frames_B > 0
    rows.broken.extend(batch.broken)
    named = {video.path for video in batch.broken}
    for index in batch.video_index[~readable_B].tolist():
        if path(index) not in named:
            rows.broken.append(BrokenVideo(path=path(index), backend="", reason="no frame could be read"))
    if not len(valid_M):
        return
    pooled = mean_features(
        encoder, frames.flatten(0, 1), valid_M, counts=valid_frames_B[readable_B].tolist(), frames_per_pass=frames_per_pass
    )
    _copy_to_main_memory(rows.features)  # those of the batch before: the device has the present ones to compute meanwhile
    rows.features.append(pooled)
    rows.label.append(batch.label[readable_B])
    rows.video_index.append(batch.video_index[readable_B])


def mean_features(
    encoder: Callable[[Tensor], Tensor], frames: Tensor, chosen_M: Tensor, *, counts: Sequence[int], frames_per_pass: int
) -> Tensor:
    """The mean feature `[videos, F]` of the chosen frames of each video, on their device. Nothing waits for it.

    Args:
        frames: of all videos.
        chosen_M: rows of `frames`, video by video, in main memory.
        counts: chosen frames of each video.
    """
    chosen = frames.index_select(0, chosen_M.to(frames.device, non_blocking=True))
    pooled_MF = torch.cat([encoder(part).float() for part in chosen.split(frames_per_pass)])
    return torch.stack([pooled_TF.mean(dim=0) for pooled_TF in pooled_MF.split(list(counts))])


def _copy_to_main_memory(features: list[Tensor]) -> None:
    features[-1:] = [part.cpu() for part in features[-1:]]


def _merge(ranks: list[_Rows], path: Callable[[int], str], class_names: Sequence[str]) -> FeatureTable:
    features = [part for rows in ranks for part in rows.features]
    features_NF = torch.cat(features) if features else torch.empty(0, 0)
    label_N, video_index_N = (
        torch.cat([torch.empty(0, dtype=torch.long), *(part for rows in ranks for part in getattr(rows, name))])
        for name in ("label", "video_index")
    )
    # the first row of each video, in order of the manifest: a padding sampler repeats some videos
    order_N = torch.argsort(video_index_N, stable=True)
    sorted_N = video_index_N[order_N]
    first_N = order_N[torch.cat((torch.ones(1, dtype=torch.bool), sorted_N[1:] != sorted_N[:-1]))[: len(sorted_N)]]
    return FeatureTable(
        features=features_NF[first_N],
        label=label_N[first_N],
        video_index=video_index_N[first_N],
        path=tuple(path(index) for index in video_index_N[first_N].tolist()),
        class_names=tuple(class_names),
        broken=tuple({video.path: video for rows in ranks for video in rows.broken}.values()),
    )
