"""Collections of videos and a frozen encoder, from a composed config: for `evaluate`, `embed` and `retrieve`."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import pytorch_lightning as lightning
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.report.page_maker import FRAME_AVERAGE, PageMaker, ShownView
from vclr_pl.runner.provenance import write_config
from vclr_pl.runner.trainer import make_trainer, refuse_absent_gpu
from vclr_pl.types import FeatureTable, InputError, VideoSegment, nothing_readable

logger = logging.getLogger(__name__)
RANDOM = "random"
OPTION = re.compile(r"(?<![\w/.-])data\.(?=[a-z])")  # not within a path


class Manifest(Protocol):
    """A list of videos."""

    @property
    def labeled(self) -> bool: ...

    def __len__(self) -> int: ...

    def path(self, index: int) -> str: ...


class Splits(Protocol):
    """The lists of a data set; `published`: a benchmark, whose frames the encoder sees as in its publication."""

    @property
    def train(self) -> Manifest: ...

    @property
    def test(self) -> Manifest | None: ...

    @property
    def published(self) -> bool: ...


class Pooling(Protocol):
    """How the features of a video's frames become its feature."""

    @property
    def in_words(self) -> str: ...

    @property
    def segments(self) -> int: ...


class Encoder(Protocol):
    """A trained encoder, with its view of the videos."""

    @property
    def pooling(self) -> Pooling: ...

    @property
    def origin(self) -> str: ...

    @property
    def view(self) -> ShownView: ...

    @property
    def backbone(self) -> Any: ...

    def with_pooling(self, segments: int) -> Encoder: ...


class FeatureFolder(Protocol):
    """The stored features of one list."""

    @property
    def path(self) -> Path: ...

    @property
    def feature_dim(self) -> int: ...

    @property
    def is_complete(self) -> bool: ...

    @property
    def videos_read(self) -> int: ...

    @property
    def seconds_read(self) -> float: ...

    def table(self) -> FeatureTable: ...


class Embedder(Protocol):
    """Computes features, or finds them stored."""

    def embed(self, manifest: Manifest, *, encoder: Encoder, trainer: lightning.Trainer, output: str | None) -> FeatureFolder: ...


@dataclass(frozen=True)
class Reading:
    """The objects that `evaluate`, `embed` and `retrieve` share."""

    splits: Splits
    encoder: Encoder
    embedder: Embedder
    trainer: lightning.Trainer
    folder: Path

    @property
    def is_main_process(self) -> bool:
        """True on rank 0, which evaluates and writes."""
        return bool(self.trainer.is_global_zero)

    def embed(self, manifest: Manifest, *, output: str | None = None) -> FeatureFolder:
        """The finished features of `manifest`. All ranks call it together."""
        return self.embedder.embed(manifest, encoder=self.encoder, trainer=self.trainer, output=output)

    def table(self, folder: FeatureFolder, *, role: str) -> FeatureTable:
        """The features in a folder of `embed`; `role` names the list in the error.

        Raises:
            BrokenVideosError: none could be read.
        """
        table = folder.table()
        if not len(table):
            raise nothing_readable(f"{role} videos", table.broken)
        return table


def readable_table(reading: Reading, folder: FeatureFolder, *, role: str) -> FeatureTable:
    """`reading.table`, with one warning for each broken video.

    Raises:
        InputError: a feature is not finite.
    """
    table = reading.table(folder, role=role)
    if not bool(table.features.isfinite().all()):
        raise InputError(
            expected=f"finite features of the {role} videos", got="NaN or infinity", hint="Use an encoder that has not diverged."
        )
    if reading.is_main_process:
        for video in {video.path: video for video in table.broken}.values():  # a video may have many segments
            logger.warning("broken: %s (%s)", video.path, video.reason)
    return table


def build_reading(config: DictConfig, *, data: str = "data") -> Reading:
    """`build_readings` of the one encoder `config.encoder`; log it.

    Args:
        data: key of the lists' node in the config.
    """
    (reading,) = build_readings(config, [EncoderChoice(path=str(config.encoder), pooling=config.protocol.pooling)], data=data)
    if reading.is_main_process:
        log_encoder(reading.encoder)
    return reading


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder by its path or name, and the pooling of its features; None for that of its file."""

    path: str
    pooling: str | None


def build_readings(config: DictConfig, choices: Sequence[EncoderChoice], *, data: str = "data") -> list[Reading]:
    """Instantiate encoders, lists of videos, embedder and trainer, and write the config. All readings share all but the encoder.

    A random network is made right after seeding, so that it depends on the seed and the network alone. `config.backbone` is its network
    where `random` is among the encoders, else that of all encoders.

    Raises:
        InputError: when a GPU is asked for that is not there, and whatever the constructors find wrong.
    """
    refuse_absent_gpu(accelerator=config.trainer.accelerator)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    protocols = {choice.pooling: instantiate(config.protocol, pooling=choice.pooling) for choice in choices}
    paths = sorted({choice.path for choice in choices}, key=lambda path: path != RANDOM)
    loaded = {}
    for path in paths:  # before the lists, which take time
        backbone = instantiate(config.get("backbone")) if path == RANDOM or RANDOM not in paths else None
        loaded[path] = protocols[choices[0].pooling].read(path, momentum=config.momentum, backbone=backbone)
    splits = splits_of(config[data], key=data)
    encoders = [protocols[choice.pooling].show(loaded[choice.path], published=splits.published) for choice in choices]
    loggers = [instantiate(node) for node in (config.get("logger") or {}).values() if node is not None]
    trainer = make_trainer(config, callbacks=[instantiate(config.progress)], loggers=loggers)
    embedder, folder = instantiate(config.embedder), Path(config.paths.run)
    if trainer.is_global_zero:
        write_config(config, folder)
    return [Reading(splits=splits, encoder=encoder, embedder=embedder, trainer=trainer, folder=folder) for encoder in encoders]


def log_encoder(encoder: Encoder) -> None:
    """Log the source, the view and the pooling of an encoder."""
    logger.info("encoder: %s", encoder.origin)
    logger.info("view: %s", encoder.view.in_words)
    if encoder.pooling.segments > 1:
        logger.info("feature of a video: %s", encoder.pooling.in_words)


def splits_of(node: DictConfig, *, key: str) -> Splits:
    """The lists of the data that the config `key` names.

    Raises:
        InputError: as the data's reader does, with options below `key`.
    """
    try:
        splits: Splits = instantiate(node)
        return splits
    except InstantiationException as error:
        cause = error.__cause__
        if key == "data" or not isinstance(cause, InputError):
            raise
        expected, got, hint = (OPTION.sub(f"{key}.", text) for text in (cause.expected, cause.got, cause.hint))
        raise InputError(expected=expected, got=got, hint=hint) from None


def only_list(splits: Splits, *, key: str) -> Manifest:
    """The training list, for commands that take one list; a warning counts the videos of a test list, which is not used."""
    if splits.test is not None:
        logger.warning("%s: the %d videos of the test split are left out", key, len(splits.test))
    return splits.train


def page_maker(
    config: DictConfig,
    *,
    manifests: Mapping[str, Manifest | None],
    origin: str,
    view: ShownView,
    segments: Mapping[str, Sequence[VideoSegment]] = MappingProxyType({}),
    feature: str = FRAME_AVERAGE,
) -> PageMaker | None:
    """What writes the command's page; None where `config.page` is null.

    Args:
        manifests: the lists that the tables are read from, by `gallery` and `query`.
        origin: of the encoder, in words.
        view: of the encoder, which the page draws on the frames.
        segments: of the lists whose rows are segments of videos.
        feature: what the feature of a video is.
    """
    if config.get("page") is None:
        return None
    pictures = instantiate(config.preview).pictures
    return PageMaker(
        options=instantiate(config.page),
        pictures=pictures,
        manifests=manifests,
        origin=origin,
        view=view,
        segments=segments,
        window_seconds=(config.segment.seconds, config.segment.stride_seconds) if segments else (0.0, 0.0),
        data_option="gallery" if "gallery" in config else "data",
        feature=feature,
    )
