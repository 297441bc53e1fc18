"""Values, explanations and choices of a command line."""

from __future__ import annotations

import pytest
from hydra.errors import HydraException

from vclr_pl.runner.command_options import command_options


def test_values_are_those_of_the_command_line():
    options = command_options("train", ["experiment=demo", "queue.inter.length=5", "objective=seco", "--help"])
    assert options.values["queue.inter.length"] == 5
    assert options.values["queue.segment.length"] == 256
    assert "objective.terms.segment_contrast.weight" not in options.values
    assert (options.chosen["objective"], options.chosen["experiment"], options.chosen["page"]) == ("seco", "demo", "default")


def test_a_sweep_keeps_the_default():
    options = command_options("check", ["-m", "seed=3,4", "output=a.csv"])
    assert (options.values["seed"], options.values["output"]) == (0, "a.csv")


def test_training_without_data_has_the_published_defaults():
    """The command itself runs the demo, with smaller values."""
    options = command_options("train", [])
    assert (options.chosen["experiment"], options.chosen["data"]) == ("demo", "folder")
    assert (options.values["queue.default.length"], options.values["trainer.max_epochs"]) == (131072, 400)


def test_explanations_are_found_wherever_a_group_is():
    texts = command_options("retrieve", []).texts
    assert texts["gallery"].startswith("Gallery videos")
    assert texts["gallery.root"] == "Folder of the videos, at any depth."
    assert texts["query.root"].startswith("Folder of query videos")
    texts = command_options("train", []).texts
    assert texts["objective.terms.temporal_order.normalize_over"].startswith("Axis")
    assert texts["callback.knn_monitor.measure.neighbors"] == "k: training videos that vote."
    assert texts["evaluation"].startswith("Measures")
    assert command_options("train", ["trainer=ddp_cpu"]).texts["trainer.max_epochs"] == "Epochs of training."


def test_values_in_words():
    options = command_options("train", ["experiment=ucf101"])
    assert options.shown("data.root") == "data.root (no default)"
    assert options.shown("transform.scale") == "transform.scale=[0.2,1.0]"
    assert options.shown("resume") == "resume=null"
    assert options.shown("runtime.channels_last") == "runtime.channels_last=true"
    assert options.shown("head.dim") == "head.dim=128"
    assert options.shown("objective.terms.temporal_order.dim") == "objective.terms.temporal_order.dim=128"
    assert options.explanation("objective.terms.temporal_order.dim").endswith("The default is that of head.dim.")
    assert options.shown("trainer.precision") == "trainer.precision=(computed)"
    assert options.explanation("module.queue") == "Taken from queue."
    assert options.shown("trainer.plugins") == "trainer.plugins=[{...}]"


def test_choices_are_those_of_the_command():
    train, finetune = command_options("train", []), command_options("finetune", [])
    assert set(train.choices("experiment")) >= {"demo", "folder", "ucf101"}
    assert set(finetune.choices("experiment")) >= {"finetune/demo", "finetune/ssv2_tsm"}
    assert not set(train.choices("experiment")) & set(finetune.choices("experiment"))
    assert set(train.choices("sampling")) == {"segments", "clips", "local_clips"}
    assert set(finetune.choices("sampling")) == {"recognition"}
    assert set(train.choices("data")) == set(finetune.choices("data"))


def test_nested_groups_have_an_override_that_composes():
    options = command_options("train", [])
    assert options.nested == {
        "evaluation/measure": "+evaluation/measure@evaluation.measures.NAME",
        "objective/term": "+objective/term@objective.terms.NAME",
    }
    added = command_options("train", ["objective=segment_only", "+objective/term@objective.terms.mine=inter_frame"])
    assert added.texts["objective.terms.mine.temperature"].startswith("Temperature")


def test_a_command_line_that_does_not_compose_is_an_error():
    with pytest.raises(HydraException):
        command_options("train", ["objective=sceo"])
