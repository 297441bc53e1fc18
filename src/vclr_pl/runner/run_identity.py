"""The run folder: one for all ranks and nodes of a launch, and with `resume=auto` one for all its restarts.

The names of run folders, below `paths.runs/name`:

- `2026-11-29_18-00-00`: the time of the start, the same on all ranks of a torchrun or srun launch.
- `auto_1f0c2a9b7e`, with `resume=auto`: the run's identity, ten digits of its options, and the job of the scheduler where there is one.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from omegaconf import DictConfig, OmegaConf

AUTO = "auto"

# Options that do not change the result of a run. The others are its identity.
NEUTRAL = (
    *("paths", "hydra", "name"),  # where files are; `name` is part of the folder's path
    *("resume", "plan"),
    *("logger", "page", "preview"),  # what is shown
    *(f"callback.{name}" for name in ("start_message", "throughput", "progress", "run_summary", "run_page", "view_grid", "broken_videos")),
    *("callback.last_checkpoint", "callback.checkpoint", "callback.stopping"),  # how often a run is saved, and looks for signals
    *("cache", "loader.max_broken_fraction"),  # files of a server on the local disk; how many broken videos end a run
    *("loader.workers", "loader.prefetch_batches", "loader.evaluation_batch_size"),
    *("decoding.decode_timeout_seconds", "decoding.decoder.threads", "runtime", "color_augmentation.compile"),  # speed
    *("evaluation.frames_per_pass", "callback.knn_monitor.frames_per_pass"),
    *("datamodule", "module"),  # they repeat other options
    # the machine; the global batch is kept on another number of devices
    *(f"trainer.{name}" for name in ("accelerator", "devices", "num_nodes", "strategy", "plugins", "benchmark")),
    *(f"trainer.{name}" for name in ("default_root_dir", "log_every_n_steps", "enable_model_summary", "enable_progress_bar")),
)
# Options that came after the first runs with an identity: null, their default, is left out, so that earlier runs are found.
LATER = (
    *("loader.global_batch_size", "encoding.batch_norm_videos", "schedule.progressive_resolution"),
    *("data.appearance.style", "data.appearance.noise"),
)
DIGITS = 10
STORE_SECONDS = 300


def register_folder_names() -> None:
    """Define `${launch_time:TIME}`, `${run_folder:RESUME,TIME}` and `${sweep_folder:TIME}`, for `hydra.run.dir` and `hydra.sweep.dir`."""
    OmegaConf.register_new_resolver("launch_time", launch_time, replace=True)
    OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)
    OmegaConf.register_new_resolver("sweep_folder", sweep_folder, replace=True, use_cache=True)


def run_folder(resume: str | None, now: str, *, _root_: DictConfig) -> str:
    """The name of a run folder: the identity with `resume=auto`, else the time."""
    if resume != AUTO:
        return launch_time(now)
    return "_".join([AUTO, config_digest(OmegaConf.to_container(_root_, resolve=False)), *job_of(os.environ)])


def sweep_folder(now: str) -> str:
    """The name of a sweep's folder: with `resume=auto` a digest of the command line, whose swept options have several values."""
    words = sys.argv[1:]
    if f"resume={AUTO}" not in words:
        return f"sweep_{now}"
    kept = sorted(word for word in words if not is_neutral(word.lstrip("+~").partition("=")[0].partition("@")[0]))
    return "_".join(["sweep", AUTO, _digest(kept), *job_of(os.environ)])


def config_digest(content: Any) -> str:
    """Digits that are equal for options with equal results.

    Args:
        content: the config as composed, with interpolations as they are written: the precision that `auto` means is measured, and the
            processor may be another after a restart.
    """
    return _digest(_without_neutral(content, ""))


def _without_neutral(node: Any, prefix: str) -> Any:
    if not isinstance(node, Mapping):
        return node
    kept = {key: value for key, value in node.items() if not is_neutral(f"{prefix}{key}")}
    kept = {key: value for key, value in kept.items() if value is not None or f"{prefix}{key}" not in LATER}
    return {key: _without_neutral(value, f"{prefix}{key}.") for key, value in kept.items()}


def is_neutral(key: str) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in NEUTRAL)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:DIGITS]


def job_of(environment: Mapping[str, str]) -> Sequence[str]:
    """The job of SLURM, with its task in an array, or the id that the user gave to torchrun; empty without one.

    A requeued job keeps its number. The random id of `torchrun --standalone` is another at each start, so it names no run.
    """
    if job := environment.get("SLURM_ARRAY_JOB_ID"):
        return [f"slurm{job}", environment.get("SLURM_ARRAY_TASK_ID", "0")]
    if job := environment.get("SLURM_JOB_ID"):
        return [f"slurm{job}"]
    given = environment.get("TORCHELASTIC_RUN_ID", "none")
    return [] if given == "none" or _is_random(given) else [re.sub(r"[^\w.-]", "-", given)]


def _is_random(name: str) -> bool:
    try:
        return uuid.UUID(name).version == 4
    except ValueError:
        return False


def launch_time(now: str) -> str:
    """`now`, as one rank of this launch has read it: torchrun's ranks agree in its store, the tasks of srun by the number of their step.

    With `TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1` torchrun gives its ranks no store: they take the id of the rendezvous.
    """
    environment = os.environ
    if int(environment.get("WORLD_SIZE") or 1) > 1 and "TORCHELASTIC_RUN_ID" in environment:
        has_store = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        return _agreed_in_store(now) if has_store else "_".join(job_of(environment)) or now
    if int(environment.get("SLURM_STEP_NUM_TASKS") or 1) > 1 and "SLURM_STEP_ID" in environment:
        restart = environment.get("SLURM_RESTART_COUNT") or "0"
        return "_".join([*job_of(environment), f"step{environment['SLURM_STEP_ID']}", *([f"restart{restart}"] if restart != "0" else [])])
    return now


@functools.cache
def _agreed_in_store(now: str) -> str:
    """The time of the rank that asked first, kept by torchrun's agent over all nodes and restarts of a launch."""
    from torch._C._distributed_c10d import TCPStore  # torchrun's ranks alone need torch this early

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(host, port, is_master=False, timeout=timedelta(seconds=STORE_SECONDS))
    return str(store.compare_set("vclr_pl/launch_time", "", now).decode())


def is_restart_of_launch() -> bool:
    """True if torchrun has started its processes again after a failure: they continue in the folder of the launch."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
