"""A root that is given is the user's videos, and data of a name is that experiment's."""

from __future__ import annotations

import pytest

from vclr_pl.runner.data_choice import refuse_others_experiment, with_experiment_of_data
from vclr_pl.types import InputError


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


@pytest.mark.parametrize(
    ("config_name", "experiment", "told"),
    [
        ("finetune", "demo", r"\(finetune/activitynet_tsn, .*got experiment=demo\. Did you mean experiment=finetune/demo\?"),
        ("finetune", "ucf101", r"Did you mean finetune/ucf101_tsn"),
        ("finetune", "ucf101_tsn", r"Did you mean experiment=finetune/ucf101_tsn\?"),
        ("finetune", "finetune/demo,demo", r"got experiment=demo\. Did you mean experiment=finetune/demo\?"),
        ("localize", "demo", r"Did you mean experiment=localize/demo\?"),
        ("localize", "finetune/demo", r"Did you mean experiment=localize/demo\?"),
        ("train", "finetune/demo", r"\(activitynet, demo, .*Did you mean experiment=demo\?"),
    ],
)
def test_an_experiment_of_another_command_is_told(config_name: str, experiment: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        refuse_others_experiment([f"experiment={experiment}"], config_name=config_name)


@pytest.mark.parametrize(
    ("config_name", "experiment"),
    [("finetune", "finetune/demo"), ("train", "demo"), ("train", "mine"), ("localize", "null"), ("embed", "demo")],
)
def test_its_own_and_a_users_experiment_pass(config_name: str, experiment: str) -> None:
    refuse_others_experiment([f"experiment={experiment}"], config_name=config_name)
