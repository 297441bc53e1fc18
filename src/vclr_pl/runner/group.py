"""The config groups: the folders of conf/, where a command has them, and the names of its options."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from vclr_pl.config_path import config_folder

OVERLAYS = ("experiment", "debug", "hydra")
HYDRA_KEYS = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")


@functools.cache
def group_names() -> list[str]:
    """The groups of conf/, nested ones with a slash."""
    folder = config_folder()
    return sorted({file.parent.relative_to(folder).as_posix() for file in folder.rglob("*.yaml")} - {"."})


@functools.cache
def entry_file(config_name: str) -> Mapping[str, Any]:
    """The content of a command's own file in conf/."""
    content: Mapping[str, Any] = yaml.safe_load((config_folder() / f"{config_name}.yaml").read_text())
    return content


@functools.cache
def places_of_groups(config_name: str) -> Mapping[str, str]:
    """The key of each group in a command's config: `retrieve` has the group `data` at `gallery`."""
    defaults = entry_file(config_name).get("defaults", [])
    groups = [str(group) for entry in defaults if isinstance(entry, dict) for group in entry if not str(group).startswith("override ")]
    return {group.partition("@")[0]: group.partition("@")[2] or group for group in groups}


def option_names(config: DictConfig) -> list[str]:
    """Every key of a composed config that a user can set, dotted, in order; without Hydra's own keys."""
    return list(_dotted(OmegaConf.to_container(config, resolve=False), ""))


def _dotted(node: Any, prefix: str) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        if key in HYDRA_KEYS:
            continue
        if isinstance(value, dict) and value:
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
