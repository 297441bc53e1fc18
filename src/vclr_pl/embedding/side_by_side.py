"""Several encoders at once, with names that tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from vclr_pl.embedding.architecture import build_backbone, recognize_architecture
from vclr_pl.embedding.encoder_file import CHECKPOINT, EXPORT, read_encoder_file
from vclr_pl.embedding.encoder_weights import is_recognizer
from vclr_pl.embedding.evaluation_protocol import EvaluationProtocol
from vclr_pl.embedding.frozen_encoder import FrozenEncoder
from vclr_pl.embedding.recognizer_file import EXPORT as RECOGNIZER
from vclr_pl.embedding.recognizer_file import FrozenRecognizer, load_recognizer
from vclr_pl.types import InputError

RANDOM = "random"
STANDARD_NAMES = {CHECKPOINT.parent.name, CHECKPOINT.name, EXPORT, RECOGNIZER}  # which every run has


@dataclass(frozen=True)
class NamedEncoder:
    """An encoder and what to call it beside others."""

    name: str
    encoder: FrozenEncoder


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """Loads encoders to be compared.

    Args:
        protocol: loads one with its view.
        momentum: the momentum encoders of checkpoints.
    """

    protocol: EvaluationProtocol
    momentum: bool

    def load(self, paths: Sequence[str], *, backbone: Callable[[], nn.Module | None]) -> list[NamedEncoder]:
        """Each of `paths` in their order.

        `random` is the network that `backbone` makes; where it makes none, that of the first other encoder, shown what that one is
        shown. Recognizers bring their own view. Where there is no `random`, `backbone` is the network of all.

        Raises:
            InputError: no encoder, one that cannot be loaded, a `random` without a network, or a 3D network of clips of unknown length.
        """
        if not paths:
            raise InputError(expected="encoder=RUN_OR_FILE, or several: encoder=[A,B,random]", got="none", remedy="Name at least one.")
        network = None if RANDOM in paths else backbone
        with torch.random.fork_rng(devices=[]):  # a random network depends on the seed, not on what stands beside it
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
        )


def short_names(paths: Sequence[str]) -> list[str]:
    """The last two parts of each path, without those that all runs share; a number where two are alike."""
    names: list[str] = []
    for path in paths:
        parts = [part for part in Path(path).parts if part not in STANDARD_NAMES and part != "/"]
        name = "/".join(parts[-2:]) or path
        alike = sum(known == name or known.startswith(f"{name} (") for known in names)
        names.append(f"{name} ({alike + 1})" if alike else name)
    return names
