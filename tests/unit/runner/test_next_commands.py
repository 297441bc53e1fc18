"""The words of a command line that the next commands keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from vclr_pl.config_path import config_folder
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.next_commands import data_words, next_commands


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = HydraConfig.instance().cfg
    yield
    HydraConfig.instance().cfg = before


def train(*words: str) -> None:
    """Hydra's state in a run of `train` with these words."""
    register_resolvers()
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        HydraConfig.instance().set_config(compose("train", overrides=list(words), return_hydra_config=True))


@pytest.mark.parametrize("name", ["demo", "demo_large", "demo_untrimmed"])
def test_the_domain_and_the_seed_of_rendered_videos_are_kept(name: str) -> None:
    train("experiment=demo", f"data={name}", "data/appearance=thermal", "seed=3", "optimizer.lr=0.1")
    assert data_words() == [f"data={name}", "data/appearance=thermal", "seed=3"]


def test_each_next_command_reads_the_same_domain(tmp_path: Path) -> None:
    train("experiment=demo", "data.task=shape", "data/appearance=drawn")
    retrieve, visualize, finetune = next_commands(folder=tmp_path, labeled=True, longer="")
    for command in (visualize, finetune):
        assert command.endswith(" data=demo data.task=shape data/appearance=drawn")
    assert retrieve.endswith(" data=demo gallery.task=shape data/appearance=drawn")
