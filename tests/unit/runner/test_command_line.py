from __future__ import annotations

import os

import pytest
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from vclr_pl.runner.command_line import (
    hydra_words,
    place_given_nodes,
    refuse_others_experiment,
    understood,
    with_experiment_of_data,
)
from vclr_pl.runner.group import places_of_groups
from vclr_pl.types import InputError


def test_a_group_is_deleted_and_a_value_stays():
    command = ["-m", "logger=null", "page=None", "weight=", "resume=null", "logger=wandb", "evaluation_view.frames=null", "data=folder"]
    assert hydra_words(command, config_name="train") == [
        "~logger",
        "~page",
        "~weight",
        "resume=null",
        "logger=wandb",
        "evaluation_view.frames=null",
        "data=folder",
        "-m",
    ]


@pytest.mark.parametrize("switch", ["-m", "--multirun"])
def test_a_sweep_may_be_switched_on_anywhere(switch):
    """Hydra says "unrecognized arguments: seed=0,1" of the options behind a switch that is between options."""
    words = hydra_words(["experiment=demo", switch, "seed=0,1"], config_name="train")
    assert get_args_parser().parse_args(words).overrides == ["experiment=demo", "seed=0,1"]


def test_a_group_at_another_place():
    assert places_of_groups("retrieve")["data"] == "gallery"
    assert hydra_words(["data=ucf101", "gallery.root=d"], config_name="retrieve") == ["data@gallery=ucf101", "gallery.root=d"]
    assert hydra_words(["data=ucf101"], config_name="embed") == ["data=ucf101"]


@pytest.mark.parametrize(
    "value", ["/a/jos\u00e9/videos", os.fsdecode(b"/a/caf\xe9"), '/a "b" \u00e9', "/a\\\u00e9", '/\u00e9\\"', "\u00e9\\"]
)
def test_letters_of_any_language(value):
    """Hydra's grammar has English letters alone, and every character between quotes."""
    (word,) = hydra_words([f"data.root={value}"], config_name="train")
    assert OverridesParser.create().parse_override(word).value() == value
    assert hydra_words([word], config_name="train") == [word]  # Lightning repeats a command for each process


def test_a_whole_node_takes_the_place_of_a_group():
    (word,) = hydra_words(["schedule={_target_: my.Schedule, steps: [1, 2]}"], config_name="train")
    assert word == "+given_nodes.schedule={_target_: my.Schedule, steps: [1, 2]}"
    node = {"_target_": "my.Schedule", "steps": [1, 2]}
    config = OmegaConf.create({"schedule": {"warmup_epochs": 5}, "given_nodes": {"schedule": node}, "module": {"schedule": "${schedule}"}})
    OmegaConf.set_struct(config, True)
    place_given_nodes(config)
    assert OmegaConf.to_container(config, resolve=True) == {"schedule": node, "module": {"schedule": node}}
    assert hydra_words(["name={a: 1}"], config_name="train") == ["name={a: 1}"]


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
        (["data.root=DIR", "backbone=timm", "weight=pretrained"], "continue"),
        (["data=video_list", "data.root=DIR", "weight=lightning"], "continue"),
        (["data.root=DIR", "weight=null"], "folder"),
        (["data=ucf101", "data.root=DIR", "weight=moco_v2"], "ucf101"),  # as published
        (["experiment=folder", "data.root=DIR", "weight=pretrained"], None),
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
        ("train", "finetune/demo", r"\(activitynet, benchmark, .*demo, .*Did you mean experiment=demo\?"),
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


def test_a_command_is_understood_in_one_call():
    assert understood(["data.root=DIR", "weight=null"], config_name="train") == ["data.root=DIR", "~weight", "experiment=folder"]
    with pytest.raises(InputError, match="a value for backbone, which train needs"):
        understood(["backbone=null"], config_name="train")
    with pytest.raises(InputError, match="experiment=finetune/demo"):
        understood(["experiment=demo"], config_name="finetune")
