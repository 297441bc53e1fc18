"""The options of a run that differ from its experiment: those of the command line, and the sizes that follow from the data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from vclr_pl.config_path import config_folder
from vclr_pl.report.run_page import ChangedOption
from vclr_pl.runner.next_commands import given_words
from vclr_pl.runner.sizes import Size

logger = logging.getLogger(__name__)

EXPERIMENT = "experiment"
ON_COMMAND_LINE = "command line"
REMOVED = "~"


def changed_options(config: DictConfig, *, chosen: Mapping[str, Size]) -> list[ChangedOption]:
    """The options of the command line first, then those that the data chose.

    Args:
        config: of this run.
        chosen: sizes that follow from the data, by key.
    """
    if not HydraConfig.initialized():
        return []
    usual, groups = _experiment()
    found = [_given(word, usual=usual, groups=groups) for word in given_words() if not _key(word).startswith(("hydra.", EXPERIMENT))]
    for key, size in chosen.items():
        before = groups.get(key, "") if key in groups else _select(usual, key)
        value = str(size.value) if key in groups else _select(config, key)
        if value != before:
            found.append(ChangedOption(key=key, value=value, usual=before, reason=size.reason))
    return found


def _given(word: str, *, usual: DictConfig, groups: Mapping[str, str]) -> ChangedOption:
    key, value = _key(word), word.partition("=")[2]
    before = groups.get(key, "") if key in groups else _select(usual, key)
    removed = word.startswith(REMOVED)
    return ChangedOption(key=key, value="removed" if removed else value, usual=before, reason=ON_COMMAND_LINE)


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~").partition("@")[0]


def _experiment() -> tuple[DictConfig, Mapping[str, str]]:
    """The config of the experiment alone, and its choices of groups; empty where it is no file of this package."""
    name = str(HydraConfig.get().job.config_name or HydraConfig.get().job.name)
    words = [word for word in given_words() if _key(word) == EXPERIMENT]
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
            composed = hydra.compose(name, overrides=words, return_hydra_config=True)
            return composed, {str(group): str(choice) for group, choice in composed.hydra.runtime.choices.items()}
    except Exception as error:
        logger.debug("the experiment alone does not compose: %s", error)
        return OmegaConf.create(), {}
    finally:
        GlobalHydra.instance().hydra = before


def _select(config: DictConfig, key: str) -> str:
    """The value as text, short; empty for a node, or where there is none."""
    try:
        value: Any = OmegaConf.select(config, key)
    except Exception:  # an interpolation that only resolves during a run
        return ""
    if value is None or OmegaConf.is_dict(value):
        return "" if value is None else "a node"
    return f"{value:g}" if isinstance(value, float) else str(value)
