"""A real SLURM of one node on this machine: munged, slurmctld and slurmd of Debian's packages, in a folder of its own, as root.

    python -m tests.slurm_cluster FOLDER    # starts it, prints the variable that srun and sbatch need, ends it on Ctrl-C

Numbers of jobs begin at the controller's port: Lightning takes MASTER_PORT from their last four digits, and clusters of two test processes
would choose the same.
The node has more CPUs in the configuration than the machine, so that 4 tasks can run on two cores. Jobs in the partition `urgent`
preempt those in `normal`, which are requeued.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "scontrol", "squeue", "sinfo")
PACKAGES = "slurmctld slurmd slurm-client munge"
CPUS = 8
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={daemon_port}
FirstJobId={controller_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_min_interval=200000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=10
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Gres=gpu:{cpus} State=UNKNOWN
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str | None:
    """What a cluster needs and this machine lacks."""
    absent = [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]
    if absent:
        return f"no {', '.join(absent)} on the path (packages: {PACKAGES})"
    return None if os.geteuid() == 0 else "this machine has no root for slurmd"


@dataclass(frozen=True)
class SlurmCluster:
    """A cluster that runs. `environment` is that of a user on it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str | Path, seconds: float = 60, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A command of SLURM, run to its end."""
        where = {"cwd": folder, "env": self.environment, "timeout": seconds}
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **where)  # type: ignore[call-overload, no-any-return]

    def submit(self, script: Path, *words: str, options: tuple[str, ...] = ()) -> str:
        """The number of a job of sbatch, with the arguments `words`."""
        done = self.run("sbatch", "--parsable", *options, script, *words, folder=script.parent)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().partition(";")[0]

    def job(self, number: str) -> dict[str, str]:
        """Fields of a job as `scontrol show job` has them: JobState, Restarts, ExitCode."""
        done = self.run("scontrol", "--oneliner", "show", "job", number)
        assert done.returncode == 0, done.stderr
        return dict(word.split("=", 1) for word in done.stdout.split() if "=" in word)

    def wait(self, number: str, *, until: tuple[str, ...] = ("COMPLETED",), seconds: float) -> dict[str, str]:
        """The job's fields once its state is one of `until`; an error after the time, and on an end that is none of them."""
        deadline = time.monotonic() + seconds
        while (job := self.job(number))["JobState"] not in until:
            assert job["JobState"] not in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL") or job["JobState"] in until, job
            assert time.monotonic() < deadline, job
            time.sleep(0.2)
        return job


@contextlib.contextmanager
def slurm_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """Start the three programs; end them, and every job, afterwards."""
    host = platform.node().partition(".")[0]
    ports = _free_ports(2)
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    text = CONFIGURATION.format(host=host, folder=folder, cpus=CPUS, controller_port=ports[0], daemon_port=ports[1])
    (folder / "slurm.conf").write_text(text)
    for number in range(CPUS):
        (folder / f"gpu{number}").touch()  # in place of the files of devices
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File={folder}/gpu[0-{CPUS - 1}]\n")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{_path()}", "SLURM_CONF": str(folder / "slurm.conf")}
    munged = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder / 'munge.socket'}"]
    munged += [f"--{name}-file={folder / 'munge'}.{name}" for name in ("pid", "log", "seed")]
    with contextlib.ExitStack() as programs:
        for command, ready in (
            (munged, ["munge", "--no-input", f"--socket={folder / 'munge.socket'}"]),
            (["slurmctld", "-D", "-f", str(folder / "slurm.conf")], ["scontrol", "ping"]),
            (["slurmd", "-D", "-f", str(folder / "slurm.conf"), "-N", host], ["sinfo", "--noheader", "--states=idle"]),
        ):
            programs.enter_context(_program(command, environment=environment, log=folder / f"{command[0]}.output"))
            _until(ready, environment=environment, folder=folder, words={"scontrol": "UP", "sinfo": "idle"}.get(ready[0], ""))
        cluster = SlurmCluster(folder, environment)
        try:
            yield cluster
        finally:
            cluster.run("scancel", "--signal=KILL", "--full", "--user=root")
            cluster.run("scancel", "--user=root")
            _until(["squeue", "--noheader"], environment=environment, folder=folder, words=None)


@contextlib.contextmanager
def _program(command: list[str], *, environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(command: list[str], *, environment: dict[str, str], folder: Path, words: str | None, seconds: float = 60) -> None:
    """Repeat a command until it succeeds and says `words`; with None until it says nothing."""
    deadline = time.monotonic() + seconds
    while True:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0 and (words in done.stdout if words is not None else not done.stdout.strip()):
            return
        if time.monotonic() > deadline:
            logs = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in sorted(folder.glob("*.log")))
            raise RuntimeError(f"no SLURM: {command} says {done.stdout} {done.stderr}\n{logs}")
        time.sleep(0.1)


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # where Debian has the daemons


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as sockets:
        opened: list[Any] = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in opened:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in opened]


if __name__ == "__main__":
    with slurm_cluster(Path(sys.argv[1])) as started, contextlib.suppress(KeyboardInterrupt):
        print(json.dumps({"SLURM_CONF": started.environment["SLURM_CONF"]}), flush=True)
        while True:
            time.sleep(3600)
