"""Activation maps of whole videos, of one encoder or several side by side.

Legend: T frames or clips of a video, F features; `*view` a frame or a clip.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.data.transform.evaluation_view import NarrowViewWarning
from vclr_pl.data.video_dataset import EvaluationVideoDataset
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.features.activation_map import ClassScore, FeatureNorm, MapTarget, Similarity, VideoMaps, feature_of, map_video, stage_of
from vclr_pl.features.encoder import EvaluationProtocol, FrozenEncoder
from vclr_pl.features.encoder_file import build_backbone, read_encoder_file, recognize_architecture
from vclr_pl.features.recognizer import EXPORT as RECOGNIZER
from vclr_pl.features.recognizer import FrozenRecognizer, is_recognizer, load_recognizer
from vclr_pl.features.run_folder import CHECKPOINT, EXPORT
from vclr_pl.files import evenly_spaced
from vclr_pl.stop import stop_if_requested
from vclr_pl.types import BrokenVideo, InputError
from vclr_pl.video.protocol import VideoDecoder

RANDOM = "random"
STANDARD_NAMES = {CHECKPOINT.parent.name, CHECKPOINT.name, EXPORT, RECOGNIZER}  # in every run folder


@dataclass(frozen=True)
class NamedEncoder:
    """An encoder with its name."""

    name: str
    encoder: FrozenEncoder


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """Loads encoders to be compared.

    Args:
        protocol: loads an encoder with its view.
        momentum: load the momentum encoders of checkpoints.
    """

    protocol: EvaluationProtocol
    momentum: bool

    def load(self, paths: Sequence[str], *, backbone: Callable[[], nn.Module | None]) -> list[NamedEncoder]:
        """Load the encoders of `paths`, in order.

        `random` is the network made by `backbone`; if None, the network and view of the first other encoder.
        Recognizers have their own view. Without `random`, `backbone` is the network of all encoders.

        Raises:
            InputError: no encoder, an invalid encoder, a `random` without a network, or a 3D network with unknown clip length.
        """
        if not paths:
            raise InputError(expected="encoder=RUN_OR_FILE, or several: encoder=[A,B,random]", got="none", hint="Set at least one encoder.")
        network = None if RANDOM in paths else backbone
        with torch.random.fork_rng(devices=[]):  # a random network depends only on the seed, not on the other encoders
            loaded = {place: self._of_file(path, backbone=network) for place, path in enumerate(paths) if path != RANDOM}
        like = next((place for place, encoder in loaded.items() if not isinstance(encoder, FrozenRecognizer)), None)
        for place, path in enumerate(paths):
            if path == RANDOM:
                named = backbone()
                loaded[place] = (
                    self._random_like(paths[like], loaded[like])
                    if named is None and like is not None
                    else self.protocol.load(RANDOM, momentum=False, backbone=named)
                )
        return [NamedEncoder(name=name, encoder=loaded[place]) for place, name in enumerate(short_names(paths))]

    def _of_file(self, path: str, *, backbone: Callable[[], nn.Module | None] | None) -> FrozenEncoder:
        network = None if backbone is None else backbone()
        if is_recognizer(path):
            return load_recognizer(path, backbone=network)
        return self.protocol.load(path, momentum=self.momentum, backbone=network)

    def _random_like(self, path: str, model: FrozenEncoder) -> FrozenEncoder:
        found = read_encoder_file(path, momentum=False)
        return FrozenEncoder(
            backbone=build_backbone(found.architecture or recognize_architecture(found.backbone, path=path)),
            view=model.view,
            frames_per_clip=model.frames_per_clip,
            frame_stride=model.frame_stride,
            origin=f"random initialization, the network of {path}",
            pooling=model.pooling,
        )


def short_names(paths: Sequence[str]) -> list[str]:
    """The last two parts of each path, without parts common to all runs; numbered if two are equal."""
    names: list[str] = []
    for path in paths:
        parts = [part for part in Path(path).parts if part not in STANDARD_NAMES and part != "/"]
        name = "/".join(parts[-2:]) or path
        alike = sum(known == name or known.startswith(f"{name} (") for known in names)
        names.append(f"{name} ({alike + 1})" if alike else name)
    return names


NEXT = "next"


@dataclass(frozen=True, kw_only=True)
class MapQuestion:
    """Score of the maps, and decoding of the videos.

    Args:
        decoding: reads the videos.
        layer: name of a module of the backbones; None for the last stage.
        against: path of a video to compare by cosine; `next` for the next video of the list; None for no similarity.
        class_name: class of a recognizer; None for the predicted class.

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
                expected="against= or class_name=", got="both", hint="Remove one of them: a map shows a similarity or a class."
            )


@dataclass(frozen=True, kw_only=True)
class VideoMapping:
    """Maps of the videos of `manifest` for `encoders`, with the score of `question`."""

    question: MapQuestion
    encoders: Sequence[NamedEncoder]
    manifest: Manifest
    _kept: dict[tuple[int, str], Similarity] = field(default_factory=dict, init=False)
    _narrow: dict[int, NarrowViewWarning] = field(default_factory=dict, init=False)  # by position of the encoder

    def check(self) -> None:
        """Check the options before the first video is read.

        Raises:
            InputError: an unknown layer or class, or no readable video to compare with.
        """
        for named in self.encoders:
            stage_of(named.encoder.backbone, self.question.layer)
        wanted, names = self.question.class_name, [name for named in self.encoders for name in _class_names(named.encoder)]
        if wanted is not None and wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.4) or names[:5]
            raise InputError(
                expected="a class of a recognizer" if names else "a recognizer, for class_name=",
                got=f"class_name={wanted}",
                hint=f"For instance {', '.join(near)}." if names else "Set encoder= to the run folder of a vclr_pl.finetune run.",
            )
        if self.question.against == NEXT and len(self.manifest) < 2:
            raise InputError(expected="two videos or more, for against=next", got="one", hint="Set against=FILE.")
        if self.question.against not in (None, NEXT):
            self._other(0, index=0)

    def of_video(self, index: int) -> list[VideoMaps] | BrokenVideo:
        """Maps of one video for each encoder, in order; or the broken video."""
        maps = []
        for place, named in enumerate(self.encoders):
            stop_if_requested()
            frames = self._frames(self.manifest, index, place)
            if isinstance(frames, BrokenVideo):
                return frames
            target = self._target(place, index=index, frames=frames)
            maps.append(map_video(named.encoder, frames, target=target, layer=self.question.layer))
        return maps

    def _frames(self, manifest: Manifest, index: int, place: int) -> Tensor | BrokenVideo:
        """Frames uint8 `[T, *view]`, preprocessed for the encoder at position `place`."""
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
        """The video to compare with: the given one, or the next readable one of the list."""
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
        raise InputError(
            expected="a readable video to compare with", got=f"{paths[-1]} ({reason})", hint="Set against=FILE to another video."
        )

    def _similarity(self, place: int, path: str) -> Similarity | BrokenVideo:
        if (place, path) not in self._kept:
            encoder = self.encoders[place].encoder
            frames = self._frames(Manifest.from_pairs([(path, None)], remote=self.manifest.remote), 0, place)
            if isinstance(frames, BrokenVideo):
                return frames
            self._kept[place, path] = Similarity(other=feature_of(encoder, frames), other_name=Path(path).name, frames=frames)
        return self._kept[place, path]


def chosen_videos(*manifests: Manifest | None, most_videos: int) -> Manifest:
    """Select the videos of all lists, or `most_videos` of them, evenly spaced.

    Raises:
        InputError: `most_videos` is below 1.
    """
    if most_videos < 1:
        raise InputError(expected="most_videos of at least 1", got=str(most_videos), hint="Set most_videos=12.")
    lists = [manifest for manifest in manifests if manifest is not None]
    paths = [manifest.path(index) for manifest in lists for index in range(len(manifest))]
    remote = next((manifest.remote for manifest in lists), None)
    return Manifest.from_pairs([(paths[index], None) for index in evenly_spaced(len(paths), most_videos)], remote=remote)


def device_named(name: str) -> torch.device:
    """The torch device; `auto` is a GPU if there is one.

    Raises:
        InputError: torch does not know or find the device.
    """
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    try:
        device = torch.device(chosen)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(expected="a device available to torch", got=f"device={name} ({reason})", hint="Set device=cpu.") from None
    return device


def _class_names(encoder: Any) -> list[str]:
    """Class names of a recognizer, whose features are logits; empty for other encoders."""
    return list(getattr(encoder, "class_names", ()))
