"""Two machines on one: network namespaces with names and addresses of their own, joined by a cable (a veth pair). As root.

    with two_machines() as (first, second):
        first.start(["torchrun", ...])

`ip netns exec` shows a process the hosts file of its namespace, so that host names resolve as on a cluster.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOSTS = Path("/etc/netns")
CABLE = ("10.213.77.1", "10.213.77.2")


@dataclass(frozen=True)
class Machine:
    """A namespace, its host name and its address."""

    name: str
    address: str

    def start(self, command: Sequence[str], *, folder: Path, log: Path) -> subprocess.Popen[bytes]:
        """A command on this machine, its output in `log`."""
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', self.name, *command]
        with log.open("ab") as output:
            where: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
            where["env"] = activated()
            return subprocess.Popen(["ip", "netns", "exec", self.name, *named], **where)

    def processes(self) -> list[int]:
        done = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=True)
        return [int(word) for word in done.stdout.split()]

    def fail(self) -> None:
        """Kill every process at once, as a machine that loses its power does; its connections are closed."""
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def wait_for_listener(self, port: int, *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while f":{port} " not in subprocess.run(["ip", "netns", "exec", self.name, "ss", "-ltn"], capture_output=True, text=True).stdout:
            assert time.monotonic() < deadline, f"nobody listens on port {port} of {self.name}"
            time.sleep(0.1)


def activated() -> dict[str, str]:
    """The environment of a user who has activated the one that runs the tests."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def missing() -> str | None:
    """What the namespaces need and this machine lacks."""
    if shutil.which("ip") is None or shutil.which("ss") is None:
        return "no ip and ss on the path (package: iproute2)"
    name = f"try{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        return "no network namespace can be made here: ip netns add, as root"
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return None


@contextlib.contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Make both and their cable; afterwards end their processes and remove them."""
    machines = [Machine(f"node{number}-{os.getpid()}", address) for number, address in enumerate(CABLE)]
    hosts = "127.0.0.1 localhost\n" + "".join(f"{machine.address} {machine.name}\n" for machine in machines)
    try:
        for machine in machines:
            _ip("netns", "add", machine.name)
            _ip("-n", machine.name, "link", "set", "lo", "up")
            (HOSTS / machine.name).mkdir(parents=True)
            (HOSTS / machine.name / "hosts").write_text(hosts)
        first, second = machines
        _ip("-n", first.name, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", second.name)
        for machine in machines:
            _ip("-n", machine.name, "address", "add", f"{machine.address}/24", "dev", "cable")
            _ip("-n", machine.name, "link", "set", "cable", "up")
        yield first, second
    finally:
        for machine in machines:
            with contextlib.suppress(subprocess.CalledProcessError):
                machine.fail()
            subprocess.run(["ip", "netns", "delete", machine.name], capture_output=True, check=False)
            shutil.rmtree(HOSTS / machine.name, ignore_errors=True)
        with contextlib.suppress(OSError):
            HOSTS.rmdir()  # unless it contains another namespace's


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
