"""Features of a collection, under any strategy of a Lightning Trainer: streamed to disk, resumable, kept.

Legend: T frames or clips of a video, F features; `*view` a frame or a clip.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Mapping
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
from vclr_pl.features.store import FeatureFolder, FeatureJournal, read_journals, remove_journals, reopen
from vclr_pl.features.video_reading import ReadingOptions, VideoReading
from vclr_pl.files import FolderLock
from vclr_pl.types import SLOW, BrokenVideo, VideoFrames
from vclr_pl.video.protocol import VideoDecoder

logger = logging.getLogger(__name__)

FORMAT = 1
BETWEEN_TRIES_SECONDS = 1.0


class FeatureExtraction(lightning.LightningModule):
    """A prediction loop: each batch of videos to features, into the journal.

    Each video passes the network alone, so its feature depends neither on its neighbors in a batch nor on what was done before an
    interruption.
    """

    def __init__(self, *, reading: VideoReading, journal: FeatureJournal, videos: list[int], frames_per_pass: int) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True  # fewer videos than ranks, one query for instance
        self.reading, self.journal, self.videos, self.frames_per_pass = reading, journal, videos, frames_per_pass
        self.encoder = reading.encoder
        self.narrow = NarrowViewWarning(view=reading.encoder.view, option="protocol")

    def predict_dataloader(self) -> DataLoader[Any]:
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        # the first rank's list: another rank that comes later finds more in the journals, and would take other shares
        videos = self.trainer.strategy.broadcast(self.videos)
        return self.reading.batches(videos, rank=self.trainer.global_rank, ranks=self.trainer.world_size, pin_memory=on_gpu)

    def predict_step(self, batch: VideoFrames, batch_idx: int) -> int:
        del batch_idx
        self.narrow.observe(batch.narrow if self.trainer.is_global_zero else ())
        counts = batch.valid.sum(dim=1).tolist()
        index_of = batch.video_index.tolist()
        readable = [row for row, count in enumerate(counts) if count]
        features = torch.stack([self._feature(batch.frames[row, : counts[row]]) for row in readable]).cpu() if readable else None
        reason = {video.path: video for video in batch.broken}
        broken = [self._broken(index_of[row], reason) for row, count in enumerate(counts) if not count]
        self.journal.write(
            features={} if features is None else {index_of[row]: feature for row, feature in zip(readable, features, strict=True)},
            frames={index_of[row]: int(counts[row]) for row in readable},
            broken=broken,
        )
        return len(batch)  # Lightning takes None for a mistake

    def _feature(self, frames: Tensor) -> Tensor:
        """uint8 `[T, *view]`, already cropped, to `[F]`."""
        ready = self.encoder.view.normalize(frames, clips=frames.dim() == 5)
        return torch.cat([self.encoder.pooled(part) for part in ready.split(self.frames_per_pass)]).mean(dim=0)

    def _broken(self, index: int, reason: Mapping[str, BrokenVideo]) -> tuple[int, BrokenVideo]:
        path = self.reading.manifest.path(index)
        return index, reason.get(path, BrokenVideo(path=path, backend="", reason="no frame could be read"))


@dataclass(frozen=True, kw_only=True)
class Embedder:
    """Gives collections their features.

    Args:
        decoding: reads the videos.
        loader: how many at a time.
        cache: the folder under which features are kept, by encoder, list and protocol.
        frames_per_pass: frames of a video that the network sees at once.
    """

    decoding: VideoDecoder
    loader: ReadingOptions
    cache: str
    frames_per_pass: int

    def embed(self, manifest: Manifest, *, encoder: FrozenEncoder, trainer: Any, output: str | None = None) -> FeatureFolder:
        """The finished features of `manifest`; read nothing where they are kept already. All ranks call it together.

        Args:
            output: a folder in place of one under `cache`.

        Raises:
            InputError: `output` holds the features of something else.
        """
        description = self.description(manifest, encoder=encoder, precision=str(trainer.precision))
        key = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:16]
        path = Path(output) if output is not None else Path(self.cache) / key
        folder = FeatureFolder(path=path, manifest=manifest, feature_dim=encoder.feature_dim)
        folder.begin(description)
        lock = FolderLock(folder.path)
        try:
            if _complete(folder, lock=lock, trainer=trainer):
                _tell_of_kept(folder)
                return folder
            if trainer.is_global_zero:
                reopen(folder)
            self._extract(folder, encoder=encoder, trainer=trainer)
            trainer.strategy.barrier()
            if trainer.is_global_zero:
                frames, broken = read_journals(folder)
                folder.finish(frames=frames, broken=broken)
                remove_journals(folder)
                logger.info("features of %d videos (%d broken): %s", len(frames), len(broken), folder.path)
                _tell_of_unread(broken.values())
        finally:
            lock.release()
        trainer.strategy.barrier()
        return folder

    def _extract(self, folder: FeatureFolder, *, encoder: FrozenEncoder, trainer: Any) -> None:
        frames, broken = read_journals(folder)
        done = {*frames, *(index for index, video in broken.items() if not video.is_temporary)}
        videos = [index for index in range(len(folder.manifest)) if index not in done]
        if done:
            logger.info("%d of %d videos were done before", len(done), len(folder.manifest))
        reading = VideoReading(manifest=folder.manifest, encoder=encoder, decoding=self.decoding, options=self.loader)
        with FeatureJournal(folder=folder, rank=trainer.global_rank) as journal:
            task = FeatureExtraction(reading=reading, journal=journal, videos=videos, frames_per_pass=self.frames_per_pass)
            if videos or trainer.world_size > 1:  # of several ranks one may see what another does not yet
                trainer.predict(task, return_predictions=False)

    def description(self, manifest: Manifest, *, encoder: FrozenEncoder, precision: str) -> dict[str, Any]:
        """All that the features depend on, as JSON."""
        view = encoder.view
        return {
            "format": FORMAT,
            "encoder": encoder.digest(),
            "list": list_digest(manifest),
            "videos": len(manifest),
            "feature_dim": encoder.feature_dim,
            "protocol": {
                "frames": view.frames,
                "crop_pixels": view.crop_pixels,
                "short_side_pixels": view.short_side_pixels,
                "mean": list(view.mean),
                "std": list(view.std),
                "frames_per_clip": encoder.frames_per_clip,
                "frame_stride": encoder.frame_stride,
                "decoded_short_side_pixels": decoded_short_side(self.decoding),
                "precision": precision,
            },
        }


def _complete(folder: FeatureFolder, *, lock: FolderLock, trainer: Any) -> bool:
    """Are the features there, perhaps by another command that was waited for? If not, the first rank holds the lock."""
    told = False
    while True:
        # a complete folder may stand where nothing can be written, not even a lock; looked at again, once the lock is ours
        kept = _is_kept(folder)
        is_ours = kept or not trainer.is_global_zero or lock.acquired()
        state = "complete" if kept or _is_kept(folder) else "ours" if is_ours else "busy"
        # before the first loop there is no process group, and each rank goes by what it sees; Lightning starts the others after this
        state = trainer.strategy.broadcast(state)
        if state != "busy":
            return bool(state == "complete")
        if not told:
            logger.info("another process is reading these videos; waiting (%s)", folder.path)
        told = True
        time.sleep(BETWEEN_TRIES_SECONDS)


def _is_kept(folder: FeatureFolder) -> bool:
    """Complete, and no video left to try again where that could be written."""
    return folder.complete and not (os.access(folder.path, os.W_OK) and folder.has_unread())


def _tell_of_kept(folder: FeatureFolder) -> None:
    logger.info("features of %d videos: kept in %s", len(folder.manifest), folder.path)
    broken = sum(video is not None for _, _, video in folder.fates())
    if broken:
        logger.warning("%d of them are broken; to try these again, remove the folder", broken)


def _tell_of_unread(broken: Iterable[BrokenVideo]) -> None:
    unread = [video for video in broken if video.is_temporary]
    if unread:
        first = unread[0]
        logger.warning(
            "%d of the broken may be sound, the first is %s: %s. The next command tries them again. %s",
            len(unread),
            first.path,
            first.reason,
            SLOW,
        )


def list_digest(manifest: Manifest) -> str:
    """Sixteen hexadecimal digits of paths, labels, spans, and the files' sizes and times: another file of the same name counts as new."""
    found = hashlib.sha256()
    for index in range(len(manifest)):
        path = manifest.path(index)
        try:
            status = Path(path).stat()
            told = (status.st_size, status.st_mtime_ns)
        except OSError:
            told = (-1, -1)
        found.update(repr((path, manifest.label(index), manifest.span(index), told)).encode(errors="surrogateescape"))
    found.update(repr(manifest.class_names).encode())
    return found.hexdigest()[:16]


def decoded_short_side(decoding: VideoDecoder) -> int | None:
    """To which frames are resized while they are decoded, also behind a decoder that wraps another."""
    inner = getattr(decoding, "decoder", decoding)
    side: int | None = getattr(inner, "short_side_pixels", None)
    return side
