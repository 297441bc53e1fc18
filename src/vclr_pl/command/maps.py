"""`visualize` draws activation maps of encoders over videos, as pictures and as videos."""

from __future__ import annotations

import functools
import logging
from pathlib import Path

import pytorch_lightning as lightning
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig

from vclr_pl.command.result import VisualizeResult
from vclr_pl.features.activation_map import VideoMaps, grad_cam
from vclr_pl.features.video_mapping import NamedEncoder, VideoMapping, chosen_videos, device_named
from vclr_pl.report.activation_sheet import MapRow
from vclr_pl.report.activations import ActivationFolder
from vclr_pl.runner.provenance import write_config
from vclr_pl.types import BrokenVideo

logger = logging.getLogger(__name__)


def visualize(config: DictConfig) -> VisualizeResult:
    """Draw one picture and one video for each video of the list, with a row for each encoder."""
    grad_cam()  # a missing package is reported before any video is decoded
    sheet, film, question = instantiate(config.sheet), instantiate(config.get("video")), instantiate(config.question)
    splits = instantiate(config.data)
    manifest = chosen_videos(splits.train, splits.test, most_videos=config.most_videos)
    mapping = VideoMapping(question=question, encoders=load(config), manifest=manifest)
    mapping.check()
    folder = ActivationFolder(path=Path(config.output or config.paths.run).expanduser(), sheet=sheet, film=film)
    write_config(config, folder.path)
    pictures = []
    for index in range(len(mapping.manifest)):
        maps_or_broken = mapping.of_video(index)
        if isinstance(maps_or_broken, BrokenVideo):
            logger.warning("broken: %s (%s)", maps_or_broken.path, maps_or_broken.reason)
            folder.add_broken(maps_or_broken)
        else:
            rows = [row_of(named.name, maps) for named, maps in zip(mapping.encoders, maps_or_broken, strict=True)]
            pictures.append(folder.add(mapping.manifest.path(index), rows))
            logger.info("%s", pictures[-1])
    folder.finish()
    return VisualizeResult(folder=folder.path, pictures=tuple(pictures))


def load(config: DictConfig) -> list[NamedEncoder]:
    """The encoders, on their device. Random weights depend only on the seed."""
    device = device_named(config.device)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    paths = [str(path) for path in config.encoder] if isinstance(config.encoder, ListConfig) else [str(config.encoder)]
    encoders: list[NamedEncoder] = instantiate(config.encoders).load(paths, backbone=functools.partial(instantiate, config.get("backbone")))
    for named in encoders:
        named.encoder.to(device)
        logger.info("%s: %s; %s", named.name, named.encoder.origin, named.encoder.view.in_words)
    return encoders


def row_of(name: str, maps: VideoMaps) -> MapRow:
    """Maps as arrays, to draw."""
    return MapRow(
        name=name,
        target=maps.target,
        score=maps.score,
        positions=maps.positions,
        frames_per_clip=maps.frames_per_clip,
        times=maps.times,
        frames=maps.frames.permute(0, 2, 3, 1).numpy(),
        maps=maps.maps.numpy(),
        compared=None if maps.compared is None else maps.compared.permute(0, 2, 3, 1).numpy(),
    )
