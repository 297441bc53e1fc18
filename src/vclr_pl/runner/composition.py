"""From a composed config to the work of a command: the same checks for the command line and for a call from Python."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from vclr_pl.config_path import config_folder
from vclr_pl.report.record import BROKEN_VIDEOS, listed_error
from vclr_pl.report.wandb_run import own_wandb_run
from vclr_pl.runner.command_line import place_given_nodes
from vclr_pl.runner.failure import Command
from vclr_pl.runner.group import option_names
from vclr_pl.runner.moved_path import use_present_paths
from vclr_pl.runner.process_launch import do_in_process_of_its_own, is_job_of_processes, is_sweep, own_processes, told_to_other_ranks
from vclr_pl.runner.run_identity import AUTO, is_restart_of_launch, register_folder_names
from vclr_pl.runner.schema import refuse_unknown_keys
from vclr_pl.types import BrokenVideosError, usual_short_side

FASTER_PRECISION = "vclr_pl.runner.precision.faster_precision"
TIMM = "vclr_pl.backbone.timm_network."
PUBLISHED_PIXELS = 224

# Options that do not tell the runs of a sweep apart: folders, hardware, logging.
UNTITLED = re.compile(
    r"[+~]*(?:(?:experiment|name|logger|resume|debug|paths|hydra|encoder|data\.root|weight\.path|loader\.workers)[=.]"
    r"|trainer(?:\.(?:accelerator|devices|num_nodes|strategy))?=)"
)

Result = TypeVar("Result")
Task = Callable[[DictConfig], Result]


def register_resolvers() -> None:
    """Define `${faster_precision:ACCELERATOR}` and `${view_pixels:TARGET,NAME}`, which may import torch, `${usual_short_side:224}`,
    `${run_title:NAME}`, and the names of run folders."""
    register_folder_names()
    OmegaConf.register_new_resolver("faster_precision", lambda accelerator: get_method(FASTER_PRECISION)(accelerator)[0], replace=True)
    OmegaConf.register_new_resolver("usual_short_side", usual_short_side, replace=True)
    OmegaConf.register_new_resolver("view_pixels", view_pixels, replace=True)
    OmegaConf.register_new_resolver("run_title", run_title, replace=True)


def view_pixels(target: str, name: str) -> int:
    """Height and width of the views that a backbone was made for: of timm's as timm says, of others 224, as published."""
    return int(get_method(f"{TIMM}timm_pixels")(name)) if target.startswith(TIMM) else PUBLISHED_PIXELS


def run_title(name: str) -> str:
    """The name with the options of the command line, by which the runs of a sweep differ, without folders, hardware and logging."""
    words = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    return " ".join([name, *(word for word in words if not UNTITLED.match(word))])


def do_checked(task: Task[Result], config: DictConfig, *, config_name: str) -> Result:
    """Refuse unknown keys, choose the precision, and do the task.

    Raises:
        InputError: a key or value that the config may not have, and whatever the task finds wrong.
    """
    if (trainer := config.get("trainer")) is not None and is_job_of_processes(trainer.get("devices", 1), trainer.get("num_nodes", 1)):
        do_in_process_of_its_own(config_name)
        return cast(Result, 0)
    with own_processes(), own_wandb_run() if is_sweep() else contextlib.nullcontext():
        place_given_nodes(config)
        use_present_paths(config)
        refuse_unknown_keys(config, config_name=config_name)
        if config.get("resume") == AUTO or (is_restart_of_launch() and "resume" in config):
            from vclr_pl.runner.resume import continue_own_folder  # it imports torch

            continue_own_folder(config)
        if config.get("resume") is not None or ("trainer" in config and OmegaConf.is_interpolation(config.trainer, "precision")):
            from vclr_pl.runner.precision import settle_precision  # it imports torch

            settle_precision(config)
        with told_to_other_ranks():
            try:
                return task(config)
            except BrokenVideosError as error:
                raise listed_error(error, file=Path(config.paths.run) / BROKEN_VIDEOS) from error


def instantiate_with(node: DictConfig, **given: object) -> Any:
    """What a node of a config constructs, with some of its arguments as objects in place of the node's."""
    partial = copy.deepcopy(node)
    with open_dict(partial):
        for name in given:
            partial.pop(name)
        partial["_partial_"] = True
    return instantiate(partial)(**given)


def described(words: Sequence[str], *, config_name: str) -> Command:
    """The command, for its error messages."""
    return Command(name=config_name, options=lambda key: _known_keys(config_name, words, key))


def _known_keys(config_name: str, words: Sequence[str], key: str) -> list[str]:
    """The keys of the config that the rest of the command composes."""
    kept = [part for part in words if "=" in part and not part.startswith("-") and part.lstrip("+~").split("=")[0] != key]
    GlobalHydra.instance().clear()
    for overrides in (kept, []):
        with contextlib.suppress(Exception), hydra.initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
            return option_names(hydra.compose(config_name, overrides=overrides))
    return []
