"""The name of a run folder: equal for one run on all ranks and at all starts, different for runs of other options or jobs."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from vclr_pl.config_path import config_folder
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.run_identity import NEUTRAL, config_digest, job_of, launch_time, run_folder, sweep_folder

NOW = "2026-11-29_18-00-00"
JOBS = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "TORCHELASTIC_RUN_ID", "WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in JOBS:
        monkeypatch.delenv(name, raising=False)


def composed(*words: str, config_name: str = "train") -> object:
    register_resolvers()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        return hydra.compose(config_name, overrides=list(words), return_hydra_config=True)


def folder_of(*words: str, config_name: str = "train") -> str:
    return Path(str(composed("resume=auto", *words, config_name=config_name).hydra.run.dir)).name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "words",
    [
        ["paths.runs=elsewhere", "paths.data=/scratch"],
        ["loader.workers=3", "loader.prefetch_batches=1"],
        ["logger=wandb"],
        ["logger.csv.save_dir=elsewhere"],
        ["~page"],
        ["trainer=ddp_cpu"],
        ["trainer.devices=2", "trainer.num_nodes=2", "trainer.accelerator=cpu", "trainer.log_every_n_steps=1"],
        ["callback.last_checkpoint.every_seconds=5", "callback.progress.lines_without_terminal=3", "~callback.view_grid"],
        ["runtime.threads=2", "evaluation.frames_per_pass=8", "decoding.decode_timeout_seconds=5"],
        ["callback=default"],
        ["cache.folder=/scratch", "cache.gigabytes=500", "cache.connections=2"],
        ["callback.stopping.every_seconds=1", "callback.stopping.every_n_steps=2", "loader.max_broken_fraction=0.5"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_change_the_result_keep_the_folder(words: list[str]) -> None:
    assert folder_of(*words) == folder_of()


@pytest.mark.parametrize(
    "word",
    [
        *("seed=1", "experiment=folder data.root=a", "experiment=folder data.root=b", "loader.batch_size=4", "trainer.max_epochs=3"),
        *("trainer.precision=bf16-mixed", "optimizer.lr=1", "backbone=resnet18", "evaluation.enabled=false", "decoding=pyav"),
        *("trainer.accumulate_grad_batches=2", "callback.best_encoder.export_best=true", "callback.knn_monitor.every_n_epochs=1"),
    ],
)
def test_other_options_choose_another_folder(word: str) -> None:
    assert folder_of(*word.split()) != folder_of()
    assert folder_of(*word.split()) == folder_of(*word.split())


def test_options_that_came_later_leave_earlier_runs_their_folder() -> None:
    now = OmegaConf.to_container(composed(), resolve=False)  # type: ignore[arg-type]
    before: Any = copy.deepcopy(now)
    del before["loader"]["global_batch_size"], before["encoding"]["batch_norm_videos"], before["runtime"]["tf32"]
    del before["schedule"]["progressive_resolution"], before["color_augmentation"]["compile"]
    del before["data"]["appearance"]["style"], before["data"]["appearance"]["noise"]
    assert config_digest(before) == config_digest(now)
    assert folder_of("loader.global_batch_size=64") != folder_of()


def test_two_roots_have_two_folders() -> None:
    assert folder_of("experiment=folder", "data.root=a") != folder_of("experiment=folder", "data.root=b")


def test_every_neutral_option_exists() -> None:
    """A name that no config has, for instance after a renaming, would make its option part of the identity unnoticed."""
    configs = [OmegaConf.to_container(composed(config_name=name), resolve=False) for name in ("train", "finetune")]  # type: ignore[arg-type]
    assert [name for name in NEUTRAL if not any(has(config, name) for config in configs)] == []


def has(config: object, name: str) -> bool:
    for key in name.split("."):
        if not isinstance(config, dict) or key not in config:
            return False
        config = config[key]
    return True


def test_a_nested_name_is_no_prefix_of_another_word() -> None:
    assert config_digest({"pages": 1}) != config_digest({"pages": 2})
    assert config_digest({"page": {"a": 1}, "b": 1}) == config_digest({"b": 1})


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({}, []),
        ({"SLURM_JOB_ID": "7"}, ["slurm7"]),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "8", "SLURM_ARRAY_TASK_ID": "3"}, ["slurm8", "3"]),
        ({"SLURM_JOB_ID": "7", "TORCHELASTIC_RUN_ID": "mine"}, ["slurm7"]),
        ({"TORCHELASTIC_RUN_ID": "none"}, []),
        ({"TORCHELASTIC_RUN_ID": "ef5f4ad0-b7a0-49d8-bdc3-b41a80251652"}, []),  # of --standalone
        ({"TORCHELASTIC_RUN_ID": "my job/1"}, ["my-job-1"]),
    ],
)
def test_the_job_of_a_scheduler(environment: dict[str, str], job: list[str]) -> None:
    assert job_of(environment) == job


def test_a_job_has_its_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = folder_of()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert folder_of() == f"{alone}_slurm7"


def test_without_auto_the_name_is_the_time() -> None:
    assert run_folder(None, NOW, _root_=OmegaConf.create({})) == NOW
    assert run_folder("last", NOW, _root_=OmegaConf.create({})) == NOW


def test_tasks_of_srun_have_one_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "2", "SLURM_STEP_NUM_TASKS": "4"}.items():
        monkeypatch.setenv(name, value)
    assert launch_time(NOW) == launch_time("2026-11-29_18-00-01") == "slurm7_step2"
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert launch_time(NOW) == "slurm7_step2_restart1"
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert launch_time(NOW) == NOW


RANK = "import os; from vclr_pl.runner.run_identity import launch_time; print('name', launch_time('time of ' + os.environ['RANK']))"


@pytest.mark.parametrize("shares_store", [True, False])
def test_ranks_of_torchrun_have_one_folder(tmp_path: Path, shares_store: bool) -> None:
    """docs/cluster.md tells users of several nodes to switch the agent's store off."""
    (tmp_path / "rank.py").write_text(RANK)
    rendezvous = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--rdzv-id=mine"]
    program = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", *rendezvous, "rank.py"]
    switched = {} if shares_store else {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **switched}
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    names = [line for line in done.stdout.splitlines() if line.startswith("name ")]
    assert len(names) == 2, done.stderr
    assert len(set(names)) == 1
    assert names[0].startswith("name time of" if shares_store else "name mine")


def test_a_sweep_has_a_folder_by_its_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["train", "-m", *words])
        return sweep_folder(NOW)

    assert named("seed=0,1") == f"sweep_{NOW}"
    first = named("seed=0,1", "resume=auto")
    assert first.startswith("sweep_auto_")
    assert named("resume=auto", "seed=0,1", "loader.workers=2", "trainer.devices=2") == first
    assert named("resume=auto", "seed=0,1,2") != first
