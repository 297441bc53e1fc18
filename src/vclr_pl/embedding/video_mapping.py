"""Maps of a list of videos, for several encoders, with what each is asked: its feature's norm, a similarity, or a class.

Legend: T frames or clips of a video, F features; `*view` a frame or a clip.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vclr_pl.data.clip_sampler import SegmentClipSampler
from vclr_pl.data.decoding.protocol import VideoDecoder
from vclr_pl.data.manifest import Manifest
from vclr_pl.data.narrow_view import NarrowViewWarning
from vclr_pl.data.video_dataset import EvaluationVideoDataset
from vclr_pl.embedding.activation_map import ClassScore, FeatureNorm, MapTarget, Similarity, VideoMaps, feature_of, map_video, stage_of
from vclr_pl.embedding.frozen_encoder import FrozenEncoder
from vclr_pl.embedding.side_by_side import NamedEncoder
from vclr_pl.types import BrokenVideo, InputError

NEXT = "next"


@dataclass(frozen=True, kw_only=True)
class MapQuestion:
    """What the maps are of, and how videos are read.

    Args:
        decoding: reads the videos.
        layer: a module of the backbones; None for the last stage.
        against: a video's path: the cosine with it; `next`: with the next video of the list; None: no similarity.
        class_name: of a recognizer; None for the class that it predicts.

    Raises:
        InputError: both a similarity and a class.
    """

    decoding: VideoDecoder
    layer: str | None
    against: str | None
    class_name: str | None

    def __post_init__(self) -> None:
        if self.against is not None and self.class_name is not None:
            raise InputError(
                expected="against= or class_name=", got="both", remedy="Leave one away: a map is of a similarity or of a class."
            )


@dataclass(frozen=True, kw_only=True)
class VideoMapping:
    """Asks `question` of `encoders` about the videos of `manifest`."""

    question: MapQuestion
    encoders: Sequence[NamedEncoder]
    manifest: Manifest
    _kept: dict[tuple[int, str], Similarity] = field(default_factory=dict, init=False)
    _narrow: dict[int, NarrowViewWarning] = field(default_factory=dict, init=False)  # by the encoder's place

    def check(self) -> None:
        """Look for mistakes before the first video is read.

        Raises:
            InputError: a layer or class that is not there, a video to compare with that cannot be read or is the only one.
        """
        for named in self.encoders:
            stage_of(named.encoder.backbone, self.question.layer)
        wanted, names = self.question.class_name, [name for named in self.encoders for name in _class_names(named.encoder)]
        if wanted is not None and wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.4) or names[:5]
            raise InputError(
                expected="a class of a recognizer" if names else "a recognizer, for class_name=",
                got=f"class_name={wanted}",
                remedy=f"For instance {', '.join(near)}." if names else "Give the run folder of vclr_pl.finetune as encoder=.",
            )
        if self.question.against == NEXT and len(self.manifest) < 2:
            raise InputError(expected="two videos or more, for against=next", got="one", remedy="Give against=FILE.")
        if self.question.against not in (None, NEXT):
            self._other(0, index=0)

    def of_video(self, index: int) -> list[VideoMaps] | BrokenVideo:
        """One video's maps for each encoder, in their order; or why it cannot be read."""
        maps = []
        for place, named in enumerate(self.encoders):
            frames = self._frames(self.manifest, index, place)
            if isinstance(frames, BrokenVideo):
                return frames
            target = self._target(place, index=index, frames=frames)
            maps.append(map_video(named.encoder, frames, target=target, layer=self.question.layer))
        return maps

    def _frames(self, manifest: Manifest, index: int, place: int) -> Tensor | BrokenVideo:
        """uint8 `[T, *view]` as the encoder at `place` wants to see them."""
        encoder: FrozenEncoder = self.encoders[place].encoder
        sampling = SegmentClipSampler(segments=2, frames_per_clip=encoder.frames_per_clip, frame_stride=encoder.frame_stride)
        dataset = EvaluationVideoDataset(manifest=manifest, decoder=self.question.decoding, view=encoder.view, sampling=sampling)
        sample = dataset[index]
        self._narrow.setdefault(place, NarrowViewWarning(view=encoder.view, option="protocol")).observe(sample.narrow)
        return sample.broken[0] if sample.frames is None else sample.frames

    def _target(self, place: int, *, index: int, frames: Tensor) -> MapTarget:
        encoder = self.encoders[place].encoder
        if self.question.against is not None:
            return self._other(place, index=index)
        names = _class_names(encoder)
        if not names:
            return FeatureNorm()
        if self.question.class_name in names:
            return ClassScore(index=names.index(self.question.class_name), class_name=self.question.class_name)
        predicted = int(feature_of(encoder, frames).argmax())
        return ClassScore(index=predicted, class_name=f"{names[predicted]} (predicted)")

    def _other(self, place: int, *, index: int) -> Similarity:
        """The video to compare with: the one named, or the next of the list that can be read."""
        if self.question.against == NEXT:
            turns = [(index + turn) % len(self.manifest) for turn in range(1, len(self.manifest))]
            paths = [self.manifest.path(turn) for turn in turns]
        else:
            paths = [str(Path(str(self.question.against)).expanduser())]
        reason = ""
        for path in paths:
            found = self._similarity(place, path)
            if not isinstance(found, BrokenVideo):
                return found
            reason = found.reason
        raise InputError(expected="a readable video to compare with", got=f"{paths[-1]} ({reason})", remedy="Give another, against=FILE.")

    def _similarity(self, place: int, path: str) -> Similarity | BrokenVideo:
        if (place, path) not in self._kept:
            encoder = self.encoders[place].encoder
            frames = self._frames(Manifest.from_pairs([(path, None)]), 0, place)
            if isinstance(frames, BrokenVideo):
                return frames
            self._kept[place, path] = Similarity(other=feature_of(encoder, frames), other_name=Path(path).name, frames=frames)
        return self._kept[place, path]


def chosen_videos(*manifests: Manifest | None, most_videos: int) -> Manifest:
    """The videos of all lists, or `most_videos` of them at equal distances.

    Raises:
        InputError: fewer than one is wanted.
    """
    if most_videos < 1:
        raise InputError(expected="most_videos of at least 1", got=str(most_videos), remedy="Set most_videos=12.")
    paths = [manifest.path(index) for manifest in manifests if manifest is not None for index in range(len(manifest))]
    wanted = min(most_videos, len(paths))
    return Manifest.from_pairs([(paths[place * len(paths) // wanted], None) for place in range(wanted)])


def device_named(name: str) -> torch.device:
    """`auto` for a GPU where there is one.

    Raises:
        InputError: torch does not know the device or does not find it.
    """
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    try:
        device = torch.device(chosen)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(expected="a device that torch finds", got=f"device={name} ({reason})", remedy="Set device=cpu.") from None
    return device


def _class_names(encoder: Any) -> list[str]:
    """Of a recognizer, whose features are logits; none for other encoders."""
    return list(getattr(encoder, "class_names", ()))
