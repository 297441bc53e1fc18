"""The experiment of a training command: one of its own. Where it names none, that of its videos; without either, the demo."""

from __future__ import annotations

from collections.abc import Sequence

from vclr_pl.config_path import config_folder
from vclr_pl.runner.suggestion import did_you_mean
from vclr_pl.types import InputError

DEMO_BY_DEFAULT = "train"  # the entry point that renders the demo where nothing is given
OWN_VIDEOS = "folder"
FOLDERS = {"train": "", "finetune": "finetune/", "localize": "localize/"}  # of each command's experiments, in conf/experiment


def with_experiment_of_data(command: Sequence[str], *, config_name: str) -> list[str]:
    """The command line with `experiment=NAME` for `data=NAME`, and `experiment=folder` for `data.root=DIR` alone and any other data."""
    given = {key.lstrip("+~"): value for key, _, value in (word.partition("=") for word in command)}
    if config_name != DEMO_BY_DEFAULT or "experiment" in given or not given.keys() & {"data", "data.root"}:
        return list(command)
    known = {file.stem for file in (config_folder() / "experiment").glob("*.yaml")}
    data = given.get("data", OWN_VIDEOS)
    return [*command, f"experiment={data if data in known else OWN_VIDEOS}"]


def refuse_others_experiment(command: Sequence[str], *, config_name: str) -> None:
    """An experiment of this package is made for one command, which `finetune/` and `localize/` in its name say.

    Raises:
        InputError: it is of another command, or only its name without the folder was given.
    """
    if config_name not in FOLDERS:
        return
    folder, own = config_folder() / "experiment", FOLDERS[config_name]
    shipped = {file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml")}
    known = sorted(name for name in shipped if name.rpartition("/")[0] == own.rstrip("/"))
    given = [value for key, _, value in (word.partition("=") for word in command) if key == "experiment"]
    for name in (name for value in given for name in value.split(",")):
        if name not in known and (name in shipped or f"{own}{name}" in shipped):
            place = f"{own}{name.rpartition('/')[2]}"
            meant = f"Did you mean experiment={place}?" if place in known else did_you_mean(place, known)
            raise InputError(expected=f"an experiment of {config_name} ({', '.join(known)})", got=f"experiment={name}", hint=meant)
