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


def make():
    return make_trainer(TWO, callbacks=[], loggers=[])


@pytest.fixture(autouse=True)
def outside_of_slurm(monkeypatch):
    for name in ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_JOB_NAME", "SLURM_NTASKS_PER_NODE", "MASTER_PORT"):
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
