"""Extract features of a list of videos with a Lightning Trainer: on one or more devices, resumable, stored on disk.

Legend: T frames or clips of a video, F features; `*view` a frame or a clip.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from vclr_pl.data.transform.evaluation_view import NarrowViewWarning
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.features.encoder import FrozenEncoder
from vclr_pl.features.pooling import MEAN
from vclr_pl.features.store import FeatureFolder
from vclr_pl.features.video_reading import ReadingOptions, VideoReading
from vclr_pl.op.collective import from_first
from vclr_pl.stop import stop_if_requested
from vclr_pl.store import Part, ResumableFolder
from vclr_pl.types import SLOW, BrokenVideo, VideoFrames
from vclr_pl.video.protocol import VideoDecoder

logger = logging.getLogger(__name__)

FORMAT = 1


class VideoLoop(lightning.LightningModule):
    """A prediction loop over `videos`, distributed over ranks. `videos_done` is for the progress bar."""

    def __init__(self, videos: Sequence[Any]) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True  # fewer videos than ranks, for instance a single query
        self.videos, self.videos_done = list(videos), 0

    def on_predict_batch_end(self, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """The videos of the batch are journaled: nothing is lost by a stop here."""
        del outputs, batch, batch_idx, dataloader_idx
        stop_if_requested()

    def agreed_videos(self) -> list[Any]:
        """The list of rank 0. Another rank may read longer journals later, and would then select different videos."""
        videos: list[Any] = self.trainer.strategy.broadcast(self.videos)
        return videos


def predict_unfinished(
    store: ResumableFolder,
    *,
    trainer: Any,
    is_complete: Callable[[], bool],
    loop: Callable[[], VideoLoop],
    finish: Callable[[], None],
) -> bool:
    """Complete a folder of results. All ranks call it together.

    Args:
        store: the folder, initialized.
        is_complete: True if nothing is left to do.
        loop: creates the loop over the remaining videos, which writes a journal line for each.
        finish: writes the final files from the journals, on rank 0.

    Returns:
        False if the folder was complete before.
    """
    with store.exclusive(is_complete=is_complete, leads=trainer.is_global_zero, broadcast=trainer.strategy.broadcast) as was_complete:
        if was_complete:
            return False
        task = loop()
        if task.videos or trainer.world_size > 1:  # file systems may show changes to some ranks later
            trainer.predict(task, return_predictions=False)
        trainer.strategy.barrier()
        from_first(finish)
    trainer.strategy.barrier()
    return True


class FeatureExtraction(VideoLoop):
    """Writes the features of each batch of videos into the folder.

    The network processes one video at a time, so features do not depend on the other videos of a batch or on interruptions.
    """

    def __init__(self, *, reading: VideoReading, folder: FeatureFolder, videos: Sequence[int], frames_per_pass: int) -> None:
        super().__init__(videos)
        self.reading, self.folder, self.frames_per_pass = reading, folder, frames_per_pass
        self.encoder = reading.encoder
        self.narrow = NarrowViewWarning(view=reading.encoder.view, option="protocol")

    def predict_dataloader(self) -> DataLoader[Any]:
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        rank, ranks = self.trainer.global_rank, self.trainer.world_size
        return self.reading.batches(self.agreed_videos(), rank=rank, ranks=ranks, pin_memory=on_gpu)

    def predict_step(self, batch: VideoFrames, batch_idx: int) -> int:
        del batch_idx
        self.narrow.observe(batch.narrow if self.trainer.is_global_zero else ())
        counts = batch.valid.sum(dim=1).tolist()
        index_of = batch.video_index.tolist()
        readable = [row for row, count in enumerate(counts) if count]
        features = torch.stack([self._feature(batch.frames[row, : counts[row]]) for row in readable]).cpu() if readable else ()
        reason = {video.path: video for video in batch.broken}
        self.folder.write(
            features={index_of[row]: feature for row, feature in zip(readable, features, strict=True)},
            frames={index_of[row]: int(counts[row]) for row in readable},
            broken=[self._broken(index_of[row], reason) for row, count in enumerate(counts) if not count],
            rank=self.trainer.global_rank,
        )
        return len(batch)  # Lightning treats None as an error

    def _feature(self, frames: Tensor) -> Tensor:
        """uint8 `[T, *view]`, already cropped, to `[F]`."""
        ready = self.encoder.normalize(frames)
        return self.encoder.pooling(torch.cat([self.encoder.pooled(part) for part in ready.split(self.frames_per_pass)]))

    def _broken(self, index: int, reason: Mapping[str, BrokenVideo]) -> tuple[int, BrokenVideo]:
        path = self.reading.manifest.path(index)
        return index, reason.get(path, BrokenVideo(path=path, backend="", reason="no frame could be read"))


@dataclass(frozen=True, kw_only=True)
class Embedder:
    """Extracts the features of lists of videos.

    Args:
        decoding: reads the videos.
        loader: options of the loader.
        cache: the folder of all features, with a subfolder for each encoder, list and protocol.
        frames_per_pass: frames of a video in one forward pass.
        part: `3/100`: only these videos. The command that finishes the last part completes the folder.
    """

    decoding: VideoDecoder
    loader: ReadingOptions
    cache: str
    frames_per_pass: int
    part: str | None = None

    def embed(self, manifest: Manifest, *, encoder: FrozenEncoder, trainer: Any, output: str | None = None) -> FeatureFolder:
        """The features of `manifest`; stored complete features are returned without reading videos. Collective call.

        Args:
            output: a folder to use instead of one under `cache`.

        Raises:
            InputError: `output` contains features of another encoder, list or protocol.
        """
        description = self.description(manifest, encoder=encoder, precision=str(trainer.precision))
        key = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:16]
        path = Path(output) if output is not None else Path(self.cache) / key
        folder = FeatureFolder(path=path, manifest=manifest, feature_dim=encoder.feature_dim, part=Part.of(self.part))
        folder.begin(description)

        def extraction() -> FeatureExtraction:
            if trainer.is_global_zero and folder.part is None:
                folder.reopen()
            return self._extraction(folder, encoder=encoder)

        def finish() -> None:
            if folder.part is not None and not folder.merge():
                left = len(manifest) - len(folder.store.finished())
                logger.info("part %s is finished; %d of %d videos are left to other parts: %s", self.part, left, len(manifest), path)
                return
            if folder.part is not None:
                logger.info("all parts are finished: features of %d videos: %s", len(manifest), path)
                return
            frames, broken = folder.finished()
            folder.finish()
            logger.info("features of %d videos (%d broken): %s", len(frames), len(broken), folder.path)
            _warn_of_unread(broken.values())

        started = time.perf_counter()
        is_new = predict_unfinished(folder.store, trainer=trainer, is_complete=lambda: folder.is_kept, loop=extraction, finish=finish)
        if is_new:
            folder.seconds_read = time.perf_counter() - started
        elif folder.is_complete:
            _report_kept(folder)
        return folder

    def _extraction(self, folder: FeatureFolder, *, encoder: FrozenEncoder) -> FeatureExtraction:
        """The loop over the remaining videos."""
        videos = folder.unfinished()
        if folder.part is None and len(videos) < len(folder.manifest):
            logger.info("%d of %d videos were already done", len(folder.manifest) - len(videos), len(folder.manifest))
        reading = VideoReading(manifest=folder.manifest, encoder=encoder, decoding=self.decoding, options=self.loader)
        folder.videos_read = len(videos)
        return FeatureExtraction(reading=reading, folder=folder, videos=videos, frames_per_pass=self.frames_per_pass)

    def description(self, manifest: Manifest, *, encoder: FrozenEncoder, precision: str) -> dict[str, Any]:
        """Everything that the features depend on, as JSON."""
        protocol = {"frames": encoder.view.frames, **protocol_of(encoder, decoding=self.decoding, precision=precision)}
        if encoder.pooling != MEAN:  # not for the mean, so that features of earlier versions are found
            protocol["pooling_segments"] = encoder.pooling.segments
        return {
            "format": FORMAT,
            "encoder": encoder.digest(),
            "list": list_digest(manifest),
            "videos": len(manifest),
            "feature_dim": encoder.feature_dim,
            "protocol": protocol,
        }


def protocol_of(encoder: FrozenEncoder, *, decoding: VideoDecoder, precision: str) -> dict[str, Any]:
    """The encoder and its preprocessing, as JSON."""
    inner = getattr(decoding, "decoder", decoding)  # the wrapped decoder
    return {
        "crop_pixels": encoder.view.crop_pixels,
        "short_side_pixels": encoder.view.short_side_pixels,
        "mean": list(encoder.view.mean),
        "std": list(encoder.view.std),
        "frames_per_clip": encoder.frames_per_clip,
        "frame_stride": encoder.frame_stride,
        "decoded_short_side_pixels": getattr(inner, "short_side_pixels", None),
        "precision": precision,
    }


def _report_kept(folder: FeatureFolder) -> None:
    logger.info("features of %d videos: kept in %s", len(folder.manifest), folder.path)
    broken = sum(video is not None for _, _, video in folder.fates())
    if broken:
        logger.warning("%d of them are broken; remove the folder to retry them", broken)


def _warn_of_unread(broken: Iterable[BrokenVideo]) -> None:
    unread = [video for video in broken if video.is_temporary]
    if unread:
        first = unread[0]
        logger.warning(
            "%d of the broken videos may be readable, the first is %s: %s. The next command retries them. %s",
            len(unread),
            first.path,
            first.reason,
            SLOW,
        )


def list_digest(manifest: Manifest) -> str:
    """Digest of paths, labels, spans, file sizes and times, 16 hexadecimal digits. A changed file is a new video."""
    found = hashlib.sha256()
    for index in range(len(manifest)):
        stop_if_requested()
        stamp = manifest.stamp(index) or (-1, -1)
        found.update(repr((manifest.path(index), manifest.label(index), manifest.span(index), stamp)).encode(errors="surrogateescape"))
    found.update(repr(manifest.class_names).encode())
    return found.hexdigest()[:16]
