from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from vclr_pl.report.run_page import ChangedOption
from vclr_pl.runner.changed_options import changed_options
from vclr_pl.runner.python_call import call
from vclr_pl.runner.sizes import Size


def options_of(folder: Path, *words: str, chosen: dict[str, Size] | None = None) -> dict[str, ChangedOption]:
    found: list[ChangedOption] = []

    def task(config: DictConfig) -> None:
        found.extend(changed_options(config, chosen=chosen or {}))

    call(task, config_name="train", options={}, overrides=[f"paths.runs={folder}", *words])
    return {option.key: option for option in found if not option.key.startswith("paths.")}


def test_the_command_line_beside_the_experiment(tmp_path):
    found = options_of(tmp_path, "experiment=ucf101", "data.root=/videos", "optimizer.lr=0.5", "backbone=resnet18", "~callback.view_grid")
    assert {key: (option.value, option.usual, option.reason) for key, option in found.items()} == {
        "data.root": ("/videos", "", "command line"),
        "optimizer.lr": ("0.5", "0.1", "command line"),
        "backbone": ("resnet18", "resnet50", "command line"),
        "callback.view_grid": ("removed", "a node", "command line"),
    }


def test_sizes_that_the_data_chose_have_their_reasons(tmp_path):
    chosen = {
        "loader.batch_size": Size(4, "few videos"),
        "backbone": Size("resnet18", "no GPU"),
        "queue.inter.length": Size(131072, ""),
    }
    found = options_of(tmp_path, "experiment=folder", "data.root=/videos", "loader.batch_size=4", chosen=chosen)
    assert (found["backbone"].value, found["backbone"].usual, found["backbone"].reason) == ("resnet18", "resnet50", "no GPU")
    assert "queue.inter.length" not in found  # as in the experiment


def test_an_experiment_that_does_not_compose_alone_leaves_its_values_out(tmp_path):
    found = options_of(tmp_path, "optimizer.lr=0.5")
    assert found["optimizer.lr"].usual == "0.02"  # the demo is the default
