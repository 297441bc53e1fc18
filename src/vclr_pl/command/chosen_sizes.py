"""Sizes of a pretraining run, from its videos, its machine and what the user gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from vclr_pl.runner.devices import devices_of
from vclr_pl.runner.next_commands import given_keys
from vclr_pl.runner.resume import checkpoint_path, run_folder_of
from vclr_pl.runner.sizes import Size, fit_to_data, is_given, keep_sizes_of, sizes_for


def choose_sizes(config: DictConfig, *, videos: int) -> Mapping[str, Size]:
    """Set the sizes that the user does not give: those of the resumed run, else those for this number of videos and this machine.

    Returns those that were chosen for the videos and the machine.
    """
    given = given_keys()
    checkpoint = checkpoint_path(config.resume, experiment_folder=Path(config.paths.runs) / config.name)
    if checkpoint is not None:
        keep_sizes_of(config, run=run_folder_of(checkpoint), given=given)
        return {}
    has_gpu = config.trainer.accelerator != "cpu" and (torch.cuda.is_available() or torch.backends.mps.is_available())
    of_user = {
        name: OmegaConf.select(config, key) if is_given(key, given) and isinstance(OmegaConf.select(config, key), int) else None
        for name, key in (("batch", "loader.batch_size"), ("epochs", "trainer.max_epochs"), ("pixels", "transform.size_pixels"))
    }
    chosen = {name: value for name, value in of_user.items() if value is not None and value > 0}
    sizes = sizes_for(
        videos=videos,
        has_gpu=has_gpu,
        processes=devices_of(config.trainer) * config.trainer.num_nodes,
        segments=int(config.sampling.segments),
        continued=config.get("weight") is not None,
        **chosen,
    )
    return fit_to_data(config, sizes=sizes, given=given, videos=videos)
