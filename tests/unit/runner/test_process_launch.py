from __future__ import annotations

import os
import sys

import pytest

from vclr_pl.runner.process_launch import LAUNCH_VARIABLES, is_sweep, job_command, own_processes, process_rank


def test_no_launch_mark_is_left(monkeypatch):
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    command = sys.argv
    with own_processes():
        os.environ.update(LOCAL_RANK="0", MASTER_PORT="2", WORLD_SIZE="2")
    assert "LOCAL_RANK" not in os.environ
    assert os.environ["MASTER_PORT"] == "1"
    assert sys.argv is command
    assert not is_sweep()


def test_a_job_of_a_sweep_repeats_itself_alone():
    command = ["train", "-m", "--config-dir", "mine", "objective=vclr,seco", "seed=1,2", "hydra.sweep.dir=there"]
    assert job_command(command, ["objective=seco", "seed=2"]) == [
        "train",
        "--config-dir",
        "mine",
        "hydra.sweep.dir=there",
        "objective=seco",
        "seed=2",
    ]


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({}, 0),
        ({"LOCAL_RANK": "1"}, 1),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, 1),  # the first process of the second machine is not the first of all
        ({"LOCAL_RANK": "0", "RANK": "4"}, 4),
        ({"SLURM_PROCID": "3"}, 3),
    ],
)
def test_the_rank_is_found_however_processes_were_started(variables, rank, monkeypatch):
    for name in (*LAUNCH_VARIABLES, "RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert process_rank() == rank
