from __future__ import annotations

from omegaconf import OmegaConf

from vclr_pl.runner.group import entry_file, group_names, option_names, places_of_groups


def test_places_are_those_of_the_commands_file():
    assert places_of_groups("retrieve")["data"] == "gallery"
    assert places_of_groups("embed")["data"] == "data"
    assert entry_file("embed")["name"] == "embed"


def test_options_are_the_leaves():
    config = OmegaConf.create({"a": {"_target_": "x", "b": 1, "c": {"_partial_": True, "d": "${a.b}"}}, "e": {}, "f": [1]})
    assert option_names(config) == ["a.b", "a.c.d", "e", "f"]


def test_groups_are_the_folders():
    assert {"backbone", "objective", "objective/term", "trainer", "experiment"} <= set(group_names())
