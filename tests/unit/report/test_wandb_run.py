from __future__ import annotations

import subprocess
import sys

import pytest
from tests.user_environment import user_environment

from vclr_pl.report.wandb_run import own_wandb_run

JOBS = """
import sys
from vclr_pl.report.wandb_logger import wandb_logger
from vclr_pl.report.wandb_run import own_wandb_run
for job in ("first", "second"):
    with own_wandb_run():
        wandb_logger(project="vclr_pl", name=job, save_dir=job).log_metrics({"train/loss": 1.0})
    assert sys.modules["wandb"].run is None
"""


def test_every_job_has_a_run_of_its_own(tmp_path):
    environment = user_environment(home=tmp_path)
    ended = subprocess.run([sys.executable, "-c", JOBS], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
    assert ended.returncode == 0, ended.stderr.decode()
    assert [len(list(tmp_path.glob(f"{job}/wandb/offline-run-*"))) for job in ("first", "second")] == [1, 1]


def test_a_job_without_wandb_ends_as_it_does():
    with pytest.raises(ValueError, match="mine"), own_wandb_run():
        raise ValueError("mine")
