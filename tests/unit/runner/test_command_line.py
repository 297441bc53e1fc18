from __future__ import annotations

import os

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from vclr_pl.runner.command_line import hydra_words, place_given_nodes, places_of_groups


def test_a_group_is_deleted_and_a_value_stays():
    command = ["-m", "logger=null", "page=None", "weight=", "resume=null", "logger=wandb", "evaluation_view.frames=null", "data=folder"]
    assert hydra_words(command, config_name="train") == [
        "-m",
        "~logger",
        "~page",
        "~weight",
        "resume=null",
        "logger=wandb",
        "evaluation_view.frames=null",
        "data=folder",
    ]


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
