"""The commands that follow a run, with its run folder and its data filled in."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from vclr_pl.runner.command_line import GIVEN_NODES
from vclr_pl.runner.run_identity import AUTO
from vclr_pl.text import redacted

OWN_VIDEOS, RENDERED = "folder", ("demo", "demo_large", "demo_untrimmed", "demo_untrimmed_large")


def next_commands(*, folder: Path, labeled: bool, longer: str) -> list[str]:
    """To look at the encoder's neighbors, to see its activation maps, and to continue; each as typed in a shell.

    Args:
        folder: the run folder.
        labeled: the videos have labels, so that the encoder can be fine-tuned on them.
        longer: the last command, which trains for longer; empty for fine-tuning.
    """
    run, data = _shown(folder), data_words()
    commands = [["retrieve", f"encoder={run}", *_of_gallery(data)], ["visualize", f"encoder={run}", *data]]
    if labeled and not longer:
        commands.append(["finetune", f"encoder={run}", *data])
    return [*map(_typed, commands), *([longer] if longer else [])]


def longer_command(*, folder: Path, command: str, epochs: int) -> str:
    """To continue a run of `command` until it has so many epochs."""
    kept = [word for word in given_words() if not word.startswith(("resume=", "trainer.max_epochs=", "trainer.max_steps=", "hydra."))]
    return _typed([command, *kept, f"resume={_shown(folder)}", f"trainer.max_epochs={epochs}"])


def resume_command(*, folder: Path, command: str) -> str:
    """To resume a run of `command` after a stop."""
    if f"resume={AUTO}" in given_words():
        return _typed([command, *given_words()])
    same = [word for word in given_words() if not word.startswith(("resume=", "hydra."))]
    return _typed([command, *same, f"resume={_shown(folder)}"])


def page_commands(*, folder: Path, command: str) -> dict[str, str]:
    """By purpose, the commands on the page of a run of `command` that has ended: to evaluate the encoder and to export it."""
    run, data = _shown(folder), data_words()
    commands = {}
    if command == "train":
        commands = {
            "Evaluate: retrieval, kNN and linear probe, for videos with labels": ["evaluate", f"encoder={run}", *data],
            "Look at the nearest videos": ["retrieve", f"encoder={run}", *_of_gallery(data)],
            "Look at activation maps": ["visualize", f"encoder={run}", *data],
            "Fine-tune, for videos with labels": ["finetune", f"encoder={run}", *data],
        }
    commands["Export to ONNX"] = ["convert", f"input={run}", "to=onnx", "output=encoder.onnx"]
    return {purpose: _typed(words) for purpose, words in commands.items()}


def start_encoder(config: DictConfig) -> str:
    """The start of a pretraining run that loaded weights, as an option of other commands."""
    weight, backbone = config.weight, config.backbone
    name, library = backbone.get("name"), "timm" if "timm" in backbone.get("_target_", "") else "torchvision"
    if "path" in weight:
        return f"encoder={shlex.quote(str(weight.path))}"
    if weight.get("_target_", "").endswith("InstalledImageNet"):
        return "encoder=imagenet:efficientnet_lite0"
    return f"encoder={library}:{name}"


def _typed(words: Sequence[str]) -> str:
    return redacted(f"python -m vclr_pl.{shlex.join(words)}")


def _of_gallery(data: Sequence[str]) -> list[str]:
    """The words of the data as words of `retrieve`."""
    return ["gallery." + word.removeprefix("data.") if word.startswith("data.") else word for word in data]


def _shown(folder: Path) -> str:
    return str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)


def data_words() -> list[str]:
    """What the command line says of the data and its place, as words of other commands. `data=folder` is their default."""
    chosen = HydraConfig.get().runtime.choices.get("data") if HydraConfig.initialized() else None
    named = [] if chosen in (None, OWN_VIDEOS) else [f"data={chosen}"]
    places = ("paths.", "seed=") if chosen in RENDERED else ("paths.",)  # the seed decides which videos are rendered
    return [*named, *(word for word in given_words() if word.startswith(("data.", "data/", "cache.", *places)))]


def given_keys() -> list[str]:
    """The keys of the command line; that of a group, and of `GROUP={_target_: ...}`, is the group's place in the config."""
    words = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    keys = [word.partition("=")[0].lstrip("+~").partition("@")[0] for word in words]
    return [key.removeprefix(f"{GIVEN_NODES}.") for key in keys]


def given_words() -> list[str]:
    """The words of the command line."""
    words = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    return [word.removeprefix(f"+{GIVEN_NODES}.") for word in words]
