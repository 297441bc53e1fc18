"""How many processors this process may use: what the scheduler and the control groups of containers and job systems allow."""

from __future__ import annotations

import math
import os
from pathlib import Path

OWN_GROUPS, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def cores_at_hand(*, own_groups: Path = OWN_GROUPS, groups: Path = GROUPS) -> int:
    """At least 1. A limit of 2.5 processors counts as 3.

    Args:
        own_groups: which control groups this process is in, as Linux lists them; absent elsewhere.
        groups: where the control groups are mounted.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # macOS has no affinity
    return max(1, min([cores, *(math.ceil(limit) for limit in _limits(own_groups, groups))]))


def _limits(own_groups: Path, groups: Path) -> list[float]:
    """In processors, of each own group and those around it that have one."""
    try:
        lines = own_groups.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "cpu", "cpu,cpuacct"):  # empty: version 2, which has one tree for all
            top = groups / controllers
            folder = top / path.strip("/")
            found += [_limit(around) for around in (folder, *folder.parents) if around.is_relative_to(top)]
    return [limit for limit in found if limit is not None]


def _limit(folder: Path) -> float | None:
    """Of one group; None where it has none. A container may not see its own group, only its parent under the same name."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        microseconds, of = float(quota), float(period)
    except (OSError, ValueError):  # `max`
        return None
    return microseconds / of if microseconds > 0 and of > 0 else None
