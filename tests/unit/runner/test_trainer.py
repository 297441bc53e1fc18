"""SLURM's variables and ports, as a trainer of two processes meets them; no process is started."""

from __future__ import annotations

import socket

import pytest
import torch
from omegaconf import OmegaConf

from vclr_pl.runner.trainer import make_trainer, refuse_absent_gpu
from vclr_pl.types import InputError

TWO = OmegaConf.create(
    {
        "trainer": {
            "_target_": "pytorch_lightning.Trainer",
            "accelerator": "cpu",
            "devices": 2,
            "strategy": "ddp",
            "enable_progress_bar": False,
            "enable_checkpointing": False,
        }
    }
)
ONE = OmegaConf.merge(TWO, {"trainer": {"devices": 1, "strategy": "auto"}})
TORCHRUN = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none", "GROUP_RANK": "0"}
# The variables of a task of srun, and of a batch script, as SLURM 22.05 sets them.
BATCH = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
SRUN = {**BATCH, "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}


def make(config=TWO):
    return make_trainer(config, callbacks=[], loggers=[])


@pytest.fixture(autouse=True)
def outside_of_slurm(monkeypatch):
    launched = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "TORCHELASTIC_RUN_ID", "GROUP_RANK")
    for name in (*launched, *SRUN, "SLURM_JOB_NAME", "SLURM_JOB_ID", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("others", [{}, {"SLURM_PROCID": "0"}, {"SLURM_NTASKS_PER_NODE": "2"}])
def test_tasks_without_srun_are_refused(others, monkeypatch):
    for name, value in {"SLURM_NTASKS": "2", **others}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"got SLURM_NTASKS=2 without .* `unset SLURM_NTASKS"):
        make()


def test_an_interactive_job_starts_its_own_processes(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("SLURM_JOB_NAME", "interactive")
    assert make().world_size == 2


@pytest.mark.parametrize("launcher", [TORCHRUN, {**TORCHRUN, "RANK": "1", "LOCAL_RANK": "1"}, SRUN, {**SRUN, "SLURM_PROCID": "1"}])
def test_processes_of_a_launcher_are_one_run(launcher, monkeypatch):
    for name, value in launcher.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"one run of all processes .* got a trainer of one\. Set trainer=ddp;"):
        make(ONE)
    assert make().world_size == 2


@pytest.mark.parametrize(
    "variables",
    [
        {**TORCHRUN, "WORLD_SIZE": "1"},
        BATCH,
        {**SRUN, "SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1"},  # of submitit, and of srun --ntasks=1 in a larger job
        {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "interactive"},
        {"WORLD_SIZE": "2"},  # of a shell
    ],
)
def test_a_process_alone_has_a_trainer_of_one(variables, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert make(ONE).world_size == 1


def test_the_second_machine_has_no_trainer_of_its_own(monkeypatch):
    monkeypatch.setenv("NODE_RANK", "1")
    with pytest.raises(InputError, match="a trainer of one"):
        make(ONE)


def test_a_batch_script_does_not_wait_for_tasks_that_srun_has_not_started(monkeypatch):
    for name, value in BATCH.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"got trainer\.devices=2 trainer\.num_nodes=1 in one process\. Start the command with srun"):
        make()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({**TORCHRUN, "WORLD_SIZE": "4"}, r"got trainer\.devices=2 trainer\.num_nodes=1 and 4 in all"),
        ({**BATCH, "SLURM_NTASKS": "1", "SLURM_NTASKS_PER_NODE": "1"}, r"got trainer\.devices=2 trainer\.num_nodes=1 and 1 in all"),
    ],
)
def test_devices_without_a_process_are_refused(variables, said, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=said):
        make()


def test_tasks_of_srun_in_an_interactive_job_do_not_each_start_processes(monkeypatch):
    for name, value in {**SRUN, "SLURM_JOB_NAME": "interactive"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"a SLURM job of the name interactive, .* srun --job-name=train"):
        make()


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")])
def test_a_port_in_use_is_refused(family, host, monkeypatch):
    """torch.distributed listens where it may and connects to the other program, for ever."""
    with socket.socket(family) as other:
        other.bind((host, 0))
        other.listen()
        monkeypatch.setenv("MASTER_PORT", str(other.getsockname()[1]))
        with pytest.raises(InputError, match=r"got MASTER_PORT=\d+, which is in use"):
            make()
    assert make().world_size == 2  # it is free again


@pytest.mark.parametrize("port", ["many", "70000"])
def test_what_is_no_port_is_refused(port, monkeypatch):
    monkeypatch.setenv("MASTER_PORT", port)
    with pytest.raises(InputError, match=f"expected MASTER_PORT to be a port; got {port}"):
        make()


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="this machine has a GPU")
def test_an_absent_gpu_is_refused():
    with pytest.raises(InputError, match="trainer=cpu"):
        refuse_absent_gpu(accelerator="gpu")
    refuse_absent_gpu(accelerator="auto")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("strategy", "fsdp"),
        ("strategy", "deepspeed_stage_2"),
        ("strategy", {"_target_": "pytorch_lightning.strategies.FSDPStrategy"}),
        ("precision", "bf16-true"),
    ],
)
def test_what_would_split_or_halve_the_network_is_refused(option, value):
    config = OmegaConf.merge(TWO, {"trainer": {"strategy": None}}, {"trainer": {option: value}})
    with pytest.raises(InputError, match=rf"expected trainer\.{option}.*Set trainer"):
        make_trainer(config, callbacks=[], loggers=[])
