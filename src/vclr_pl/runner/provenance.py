"""Where the numbers of a run come from: its config as a file, the code's commit, versions, hardware."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from vclr_pl.files import write_whole
from vclr_pl.report.record import CONFIG_FILE
from vclr_pl.text import readable, readable_content, redacted, redacted_content

if TYPE_CHECKING:  # a known evaluation imports neither
    import pytorch_lightning as lightning

PACKAGE = __name__.partition(".")[0]

PACKAGES = (
    "vclr-pl",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "pytorchvideo",
    "torchcodec",
    "av",
    "hydra-core",
    "scikit-learn",
    "timm",
    "transformers",
)
# Keys that change where files are and what is shown, not what is computed.
WITHOUT_SCIENCE = (
    "paths",
    "cache",
    "callback",
    "logger",
    "resume",
    "plan",
    "recompute",
    "debug",
    "name",
    "module",
    "datamodule",
    "snippet_data",
)
OWN_VIDEOS = ("folder", "video_list", "localization_set")  # they read any videos
PLACES = ("root", "lists", "default_root_dir", "cache")


def provenance(config: DictConfig) -> dict[str, Any]:
    """JSON-ready: config hash, seed, commit (None outside a checkout), versions, hardware."""
    return {
        "config_hash": config_hash(config),
        "seed": config.seed,
        "commit": commit(Path(__file__).parent),
        "versions": {"python": platform.python_version(), **versions()},
        "hardware": hardware(),
    }


def choices(config: DictConfig) -> dict[str, str]:
    """What was evaluated, for comparisons of several runs: `data`, the data set; `task` of procedural videos, else the name of the folder
    of videos without a data set of their own; of procedural videos their `seed`, and `videos`, a digest of all settings they are drawn by.
    """
    data: Any = config.get("data") or config.get("untrimmed") or {}
    name, task = str(data.get("_target_", "")).rpartition(".")[2], data.get("task")
    if name in OWN_VIDEOS and data.get("root"):
        task = Path(str(data["root"])).name
    found = {"data": name, "task": task, "seed": data.get("seed"), "videos": _drawn_by(data) if "seed" in data else None}
    return {key: readable(str(value)) for key, value in found.items() if value not in (None, "")}


def _drawn_by(data: DictConfig) -> str:
    """Eight hexadecimal digits of the settings of procedural videos. Their names are the same for each seed, size and appearance."""
    settings: Any = OmegaConf.to_container(data, resolve=True)
    content = json.dumps({key: value for key, value in settings.items() if key not in PLACES}, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:8]


def write_config(config: DictConfig, folder: Path) -> None:
    """Write the resolved config into the run folder; its first line is the command line."""
    given = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    first_line = readable(f"# {shlex.join(given)}".replace("\n", " "))
    write_whole(folder / CONFIG_FILE, redacted(f"{first_line}\n{OmegaConf.to_yaml(config, resolve=True)}"))


def log_config(config: DictConfig, trainer: lightning.Trainer) -> None:
    """Log the config with every logger; metrics.csv takes none."""
    for logger in trainer.loggers:
        logger.log_hyperparams(redacted_content(readable_content(OmegaConf.to_container(config, resolve=True))))


def config_hash(config: DictConfig) -> str:
    """Twelve hexadecimal digits that are equal for equal science: folders, callbacks and loggers do not count."""
    content: Any = OmegaConf.to_container(config, resolve=True)
    canonical = json.dumps(science_of(content), sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def science_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a resolved config that change what is computed."""
    science = {key: value for key, value in content.items() if key not in WITHOUT_SCIENCE}
    for group in science.keys() & {"data", "trainer", "untrimmed"}:
        science[group] = {key: value for key, value in science[group].items() if key not in PLACES}
    return science


def versions() -> dict[str, str]:
    """Installed versions of what computes; absent packages are left out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit(folder: Path) -> str | None:
    """The checkout's commit, with `+changes` where files differ from it; None where there is no git or no checkout."""
    described = _git(folder, "rev-parse", "HEAD")
    is_ours = _git(folder, "ls-files", "--error-unmatch", str(Path(__file__)))
    if described is None or is_ours is None:
        return None
    return described + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def hardware() -> dict[str, Any]:
    """GPU names where there are any, the processor, and the threads that torch uses."""
    import torch  # a known evaluation does not

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return {"gpus": gpus, "processor": platform.machine(), "system": platform.system(), "threads": torch.get_num_threads()}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
