"""The experiment of a training command that names videos and no experiment. Only a command that names neither is the demo."""

from __future__ import annotations

from collections.abc import Sequence

from vclr_pl.config_path import config_folder

DEMO_BY_DEFAULT = "train"  # the entry point that renders the demo where nothing is given
OWN_VIDEOS = "folder"


def with_experiment_of_data(command: Sequence[str], *, config_name: str) -> list[str]:
    """The command line with `experiment=NAME` for `data=NAME`, and `experiment=folder` for `data.root=DIR` alone and any other data."""
    given = {key.lstrip("+~"): value for key, _, value in (word.partition("=") for word in command)}
    if config_name != DEMO_BY_DEFAULT or "experiment" in given or not given.keys() & {"data", "data.root"}:
        return list(command)
    known = {file.stem for file in (config_folder() / "experiment").glob("*.yaml")}
    data = given.get("data", OWN_VIDEOS)
    return [*command, f"experiment={data if data in known else OWN_VIDEOS}"]
