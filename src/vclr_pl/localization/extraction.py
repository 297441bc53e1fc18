"""Extract snippet features of untrimmed videos with a Lightning Trainer: on one or more devices, resumable, one file per video.

Files: `<identity>.npy`, float32 `[N, D]`; `videos.csv`, one line per video, written at the end; `features.json`, inputs of the features.

Legend: N snippets of a video or of a part of it, D features; `*view` a frame or a clip.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from vclr_pl.data.broken_videos import WatchedLoader
from vclr_pl.data.transform.evaluation_view import NarrowViewWarning
from vclr_pl.features.encoder import FrozenEncoder
from vclr_pl.features.extraction import VideoLoop, predict_unfinished, protocol_of
from vclr_pl.features.store import OK, broken_of, broken_status
from vclr_pl.features.video_reading import ReadingWorkers
from vclr_pl.files import file_stamp, write_csv
from vclr_pl.localization.feature_folder import DESCRIPTION, VIDEOS, SnippetFolder, write_array
from vclr_pl.localization.snippets import SnippetPart, SnippetSampling, UntrimmedVideoDataset
from vclr_pl.store import ResumableFolder
from vclr_pl.types import InputError, nothing_readable
from vclr_pl.video.protocol import VideoDecoder

logger = logging.getLogger(__name__)

COLUMNS = ("video", "frames", "snippets", "status")


class SnippetExtraction(VideoLoop):
    """Writes the features of each part of a video. The video's file and its journal line are written after its last part.

    Args:
        videos: (index, path) of the videos to read.
        identities: identities by index.
        stamps: stamps of the video files before reading, by identity.
    """

    def __init__(
        self,
        *,
        encoder: FrozenEncoder,
        extractor: SnippetExtractor,
        videos: list[tuple[int, str]],
        identities: Mapping[int, str],
        stamps: Mapping[str, str],
        store: ResumableFolder,
    ) -> None:
        super().__init__(videos)
        self.encoder, self.extractor, self.store = encoder, extractor, store
        self.identities, self.stamps = identities, stamps
        self.narrow = NarrowViewWarning(view=encoder.view, option="protocol")
        self._parts: dict[int, list[Tensor]] = {}  # of the videos in progress

    def predict_dataloader(self) -> DataLoader[SnippetPart]:
        ranks, options = self.trainer.world_size, self.extractor.loader
        videos = self.agreed_videos()[self.trainer.global_rank :: ranks]
        sampling = self.extractor.sampling(self.encoder)
        workers = options.worker_count(ranks=ranks, batches=len(videos))
        return WatchedLoader(
            UntrimmedVideoDataset(videos=videos, decoder=self.extractor.decoding, view=self.encoder.view, sampling=sampling),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=options.prefetch_batches if workers else None,
        )

    def transfer_batch_to_device(self, batch: SnippetPart, device: torch.device, dataloader_idx: int) -> SnippetPart:
        del device, dataloader_idx
        return batch  # predict_step moves the frames

    def predict_step(self, batch: SnippetPart, batch_idx: int) -> int:
        del batch_idx
        self.narrow.observe(batch.narrow if self.trainer.is_global_zero else ())
        parts = self._parts.setdefault(batch.video_index, [])
        if batch.frames is not None:
            parts.append(self.encoder.pooled(self.encoder.normalize(batch.frames.to(self.device))).cpu())
        if batch.is_last:
            self._finish(batch, self._parts.pop(batch.video_index))
        return len(batch)

    def _finish(self, part: SnippetPart, parts: list[Tensor]) -> None:
        self.videos_done += 1
        identity = self.identities[part.video_index]
        file = self.store.path / f"{identity}.npy"
        if part.broken:
            line = {"frames": 0, "snippets": 0, "status": broken_status(part.broken[0])}
            file.unlink(missing_ok=True)  # features of an earlier file of this name
        else:
            line = {"frames": part.frame_count, "snippets": sum(map(len, parts)), "status": OK}
            write_array(file, torch.cat(parts).numpy())
        self.store.append([{"video": identity, **line, "file": self.stamps[identity]}], rank=self.trainer.global_rank)


@dataclass(frozen=True, kw_only=True)
class SnippetExtractor:
    """Extracts the features of untrimmed videos.

    Args:
        decoding: reads the videos.
        loader: options of the loader.
        snippet_frames: frames of a snippet (published: 16). The network receives its center.
        snippets_per_part: snippets decoded at a time, and in one forward pass.
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
        """The features of the videos, `{identity: path}`. Only videos without features are read. Collective call.

        Files with changed size or time, and broken files, are read again.

        Raises:
            InputError: `output` contains features of another encoder or protocol.
            BrokenVideosError: none of the videos can be read.
        """
        store = ResumableFolder(output, description=DESCRIPTION)
        description = self.description(encoder, precision=str(trainer.precision))
        store.begin(description, content="features", hint="Set another name=..., or remove the folder.", ignored=("origin",))
        stamps = {identity: " ".join(map(str, file_stamp(path) or ())) for identity, path in paths.items()}

        def left() -> list[tuple[int, str]]:
            lines = store.finished()
            return [(index, path) for index, (name, path) in enumerate(paths.items()) if not _is_done(lines.get(name), stamp=stamps[name])]

        def extraction() -> SnippetExtraction:
            videos, identities = left(), dict(enumerate(paths))
            if len(videos) < len(paths):
                logger.info("features of %d of %d videos: kept in %s", len(paths) - len(videos), len(paths), output)
            return SnippetExtraction(encoder=encoder, extractor=self, videos=videos, identities=identities, stamps=stamps, store=store)

        is_new = predict_unfinished(
            store,
            trainer=trainer,
            is_complete=lambda: (output / VIDEOS).is_file() and not left(),
            loop=extraction,
            finish=lambda: _write_videos(store, paths),
        )
        if not is_new:
            logger.info("features of %d videos: kept in %s", len(paths), output)
        folder = SnippetFolder(output)
        broken = [broken_of(status, path=paths[identity]) for identity, status in folder.broken().items() if identity in paths]
        if len(broken) == len(paths):
            raise nothing_readable("untrimmed videos", broken)
        return folder

    def description(self, encoder: FrozenEncoder, *, precision: str) -> dict[str, Any]:
        """Everything that the features of a video depend on, as JSON; with `class_names` for a recognizer's logits."""
        return {
            "encoder": encoder.digest(),
            "origin": encoder.origin,
            "feature_dim": encoder.feature_dim,
            "class_names": list(getattr(encoder, "class_names", ())),
            "snippet_frames": self.snippet_frames,
            **protocol_of(encoder, decoding=self.decoding, precision=precision),
        }

    def sampling(self, encoder: FrozenEncoder) -> SnippetSampling:
        return SnippetSampling(
            snippet_frames=self.snippet_frames,
            snippets_per_part=self.snippets_per_part,
            frames_per_clip=encoder.frames_per_clip,
            frame_stride=encoder.frame_stride,
        )


def _is_done(line: Mapping[str, Any] | None, *, stamp: str) -> bool:
    """True if the journal's features belong to this file. Features of a file that no longer exists (no stamp) are kept."""
    return line is not None and line["status"] == OK and stamp in (line.get("file"), "")


def _write_videos(store: ResumableFolder, paths: Mapping[str, str]) -> None:
    lines = store.finished()
    broken = [lines[identity] for identity in paths if lines[identity]["status"] != OK]
    for line in broken[:10]:
        logger.warning("%s is left out: %s", paths[line["video"]], line["status"])
    rows = ([lines[identity][column] for column in COLUMNS] for identity in sorted(lines))
    write_csv(store.path / VIDEOS, COLUMNS, rows)
    logger.info("features of %d videos (%d broken): %s", len(paths) - len(broken), len(broken), store.path)
