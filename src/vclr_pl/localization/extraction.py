"""Features along untrimmed videos, under any strategy of a Lightning Trainer: a file a video, whole or absent, kept and gone on with.

`<identity>.npy`, float32 `[N, D]`; `videos.csv`, one line a video, written when all are done; `features.json`, what they were made of.

Legend: N snippets of a video or of a part of it, D features; `*view` a frame or a clip.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from vclr_pl.data.broken_videos import UnreadWatch
from vclr_pl.data.transform.evaluation_view import NarrowViewWarning
from vclr_pl.features.encoder import FrozenEncoder
from vclr_pl.features.extraction import decoded_short_side
from vclr_pl.features.store import broken_of, broken_status
from vclr_pl.features.video_reading import ReadingWorkers
from vclr_pl.files import errors_name, write_whole
from vclr_pl.localization.feature_folder import DESCRIPTION, VIDEOS, SnippetFolder, write_array
from vclr_pl.localization.snippets import SnippetPart, SnippetSampling, UntrimmedVideoDataset
from vclr_pl.types import InputError, nothing_readable
from vclr_pl.video.protocol import VideoDecoder

logger = logging.getLogger(__name__)

COLUMNS = ("video", "frames", "snippets", "status")
JOURNALS = "journal_*.jsonl"
OK = "ok"


class SnippetExtraction(lightning.LightningModule):
    """A prediction loop: each part of a video to features; the video's file and journal line follow its last part."""

    def __init__(self, *, encoder: FrozenEncoder, reading: UntrimmedVideoDataset, options: ReadingWorkers, folder: Path) -> None:
        super().__init__()
        self.encoder, self.reading, self.options, self.folder = encoder, reading, options, folder
        self.narrow = NarrowViewWarning(view=encoder.view, option="protocol")
        self.identities: Mapping[int, str] = {}
        self.stamps: Mapping[str, str] = {}  # of the files, as they were before they were read
        self.videos_done = 0
        self._watch = UnreadWatch()
        self._parts: dict[int, list[Tensor]] = {}  # of the few videos that are being read

    @property
    def videos(self) -> list[tuple[int, str]]:
        return self.reading.videos

    def predict_dataloader(self) -> DataLoader[SnippetPart]:
        rank, ranks = self.trainer.global_rank, self.trainer.world_size
        own = self.videos[rank::ranks]
        workers = self.options.worker_count(ranks=ranks, batches=len(own))
        share = UntrimmedVideoDataset(videos=own, decoder=self.reading.decoder, view=self.reading.view, sampling=self.reading.sampling)
        return DataLoader(share, batch_size=None, num_workers=workers, prefetch_factor=self.options.prefetch_batches if workers else None)

    def transfer_batch_to_device(self, batch: SnippetPart, device: torch.device, dataloader_idx: int) -> SnippetPart:
        del device, dataloader_idx
        return batch  # predict_step moves the frames

    def predict_step(self, batch: SnippetPart, batch_idx: int) -> int:
        del batch_idx
        self.narrow.observe(batch.narrow if self.trainer.is_global_zero else ())
        parts = self._parts.setdefault(batch.video_index, [])
        if batch.frames is not None:
            parts.append(self._features(batch.frames.to(self.device)).cpu())
        if batch.is_last:
            self._finish(batch, self._parts.pop(batch.video_index))
        return len(batch)

    def _features(self, frames: Tensor) -> Tensor:
        """uint8 `[N, *view]`, already cropped, to `[N, D]`."""
        return self.encoder.pooled(self.encoder.view.normalize(frames, clips=frames.dim() == 5))

    def _finish(self, part: SnippetPart, parts: list[Tensor]) -> None:
        self.videos_done += 1
        identity = self.identities[part.video_index]
        line: dict[str, Any] = {"video": identity, "frames": part.frame_count, "snippets": sum(map(len, parts)), "status": OK}
        line |= {"file": self.stamps[identity], "written_nanoseconds": time.time_ns()}
        if part.broken is not None:
            self._watch.observe([part.broken])
            line |= {"frames": 0, "snippets": 0, "status": broken_status(part.broken)}
            (self.folder / f"{identity}.npy").unlink(missing_ok=True)  # of the file that stood there before
        else:
            write_array(self.folder / f"{identity}.npy", torch.cat(parts).numpy())
        path = self.folder / f"journal_{self.trainer.global_rank:05}.jsonl"
        with errors_name(path), path.open("a") as journal:
            journal.write(f"\n{json.dumps(line)}")  # the line's end comes first: it also ends what a killed run left half


@dataclass(frozen=True, kw_only=True)
class SnippetExtractor:
    """Writes the features of untrimmed videos.

    Args:
        decoding: reads the videos.
        loader: how many workers read.
        snippet_frames: one snippet for each so many frames (published: 16), of which the network sees the center.
        snippets_per_part: decoded at once, and seen by the network at once.
    """

    decoding: VideoDecoder
    loader: ReadingWorkers
    snippet_frames: int
    snippets_per_part: int

    def __post_init__(self) -> None:
        for name in ("snippet_frames", "snippets_per_part"):
            if getattr(self, name) < 1:
                raise InputError(expected=f"extractor.{name} of at least 1", got=str(getattr(self, name)), hint=f"Set extractor.{name}=16.")

    def extract(self, paths: Mapping[str, str], *, encoder: FrozenEncoder, trainer: Any, output: Path) -> SnippetFolder:
        """The finished features of the videos, `{identity: path}`; read nothing where they are there. All ranks call it together.

        A file whose size or time of change is another is read again, and so is a broken one.

        Raises:
            InputError: `output` holds features of another encoder, videos or protocol.
            BrokenVideosError: none of the videos can be read.
        """
        folder = SnippetFolder(output)
        self._begin(output, self.description(encoder, precision=str(trainer.precision)))
        stamps = {identity: _stamp(path) for identity, path in paths.items()}
        done = {identity for identity, line in _journaled(output).items() if _is_done(line, stamp=stamps.get(identity, ""))}
        videos = [(index, path) for index, (identity, path) in enumerate(paths.items()) if identity not in done]
        if not videos and (output / VIDEOS).is_file():
            logger.info("features of %d videos: kept in %s", len(paths), output)
            return folder
        if done:
            logger.info("features of %d of %d videos: kept in %s", len(paths) - len(videos), len(paths), output)
        task = SnippetExtraction(
            encoder=encoder,
            reading=UntrimmedVideoDataset(videos=videos, decoder=self.decoding, view=encoder.view, sampling=self._sampling(encoder)),
            options=self.loader,
            folder=output,
        )
        task.identities, task.stamps = dict(enumerate(paths)), stamps
        if videos:
            trainer.predict(task, return_predictions=False)
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            _write_videos(output, paths)
        trainer.strategy.barrier()
        _refuse_unreadable(output, paths)
        return folder

    def description(self, encoder: FrozenEncoder, *, precision: str) -> dict[str, Any]:
        """All that the features of a video depend on, as JSON; `class_names` where they are a recognizer's logits."""
        view = encoder.view
        return {
            "encoder": encoder.digest(),
            "origin": encoder.origin,
            "feature_dim": encoder.feature_dim,
            "class_names": list(getattr(encoder, "class_names", ())),
            "snippet_frames": self.snippet_frames,
            "crop_pixels": view.crop_pixels,
            "short_side_pixels": view.short_side_pixels,
            "mean": list(view.mean),
            "std": list(view.std),
            "frames_per_clip": encoder.frames_per_clip,
            "frame_stride": encoder.frame_stride,
            "decoded_short_side_pixels": decoded_short_side(self.decoding),
            "precision": precision,
        }

    def _sampling(self, encoder: FrozenEncoder) -> SnippetSampling:
        return SnippetSampling(
            snippet_frames=self.snippet_frames,
            snippets_per_part=self.snippets_per_part,
            frames_per_clip=encoder.frames_per_clip,
            frame_stride=encoder.frame_stride,
        )

    def _begin(self, output: Path, description: Mapping[str, Any]) -> None:
        output.mkdir(parents=True, exist_ok=True)
        file = output / DESCRIPTION
        if file.is_file():
            stored = json.loads(file.read_text())
            differing = [name for name in description if name != "origin" and stored.get(name) != description[name]]
            if differing:
                raise InputError(
                    expected=f"{output} to hold features of the same encoder and protocol",
                    got=f"features of another {', '.join(differing)}",
                    hint="Choose another name=..., or remove the folder.",
                )
        else:
            write_whole(file, json.dumps(description, indent=2) + "\n")


def _stamp(path: str) -> str:
    """Size and time of change; empty for a file that is gone."""
    try:
        status = Path(path).stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def _is_done(line: Mapping[str, Any], *, stamp: str) -> bool:
    return line["status"] == OK and stamp in (line.get("file"), "")


def _journaled(folder: Path) -> dict[str, dict[str, Any]]:
    """The newest line of each identity, of all ranks of all starts; half a line is not one."""
    lines = []
    for text in [text for path in sorted(folder.glob(JOURNALS)) for text in path.read_bytes().split(b"\n")]:
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return {str(line["video"]): line for line in sorted(lines, key=lambda line: line.get("written_nanoseconds", 0))}


def _refuse_unreadable(folder: Path, paths: Mapping[str, str]) -> None:
    lines = _journaled(folder)
    broken = [broken_of(lines[identity]["status"], path=path) for identity, path in paths.items() if lines[identity]["status"] != OK]
    if len(broken) == len(paths):
        raise nothing_readable("untrimmed videos", broken)


def _write_videos(folder: Path, paths: Mapping[str, str]) -> None:
    lines = _journaled(folder)
    broken = [lines[identity] for identity in paths if lines[identity]["status"] != OK]
    for line in broken[:10]:
        logger.warning("%s is left out: %s", paths[line["video"]], line["status"])
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines[identity] for identity in sorted(lines))
    write_whole(folder / VIDEOS, text.getvalue().encode("utf-8", "surrogateescape"))
    logger.info("features of %d videos (%d broken): %s", len(paths) - len(broken), len(broken), folder)
