"""A root that is given is the user's videos, and data of a name is that experiment's."""

from __future__ import annotations

import pytest

from vclr_pl.runner.data_choice import with_experiment_of_data


@pytest.mark.parametrize(
    ("command", "experiment"),
    [
        ([], None),
        (["seed=1", "data.frames=12", "loader.batch_size=4"], None),  # the demo's own options
        (["experiment=demo", "data.root=DIR"], None),  # as it is said
        (["~experiment", "data.root=DIR"], None),
        (["data.root=DIR"], "folder"),
        (["data=folder"], "folder"),
        (["data=ucf101", "data.root=DIR"], "ucf101"),
        (["data=demo"], "demo"),
        (["-m", "data=video_list", "data.root=DIR", "seed=0,1"], "folder"),
        (["data={_target_: my.videos}"], "folder"),
    ],
)
def test_the_experiment_follows_the_data(command: list[str], experiment: str | None) -> None:
    added = [] if experiment is None else [f"experiment={experiment}"]
    assert with_experiment_of_data(command, config_name="train") == [*command, *added]
    assert with_experiment_of_data(command, config_name="embed") == command
