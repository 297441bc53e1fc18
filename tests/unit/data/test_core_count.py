"""The cores of this process, as the scheduler and control groups limit them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vclr_pl.data.core_count import cores_at_hand

PROGRAM = "from vclr_pl.data.core_count import cores_at_hand; print(cores_at_hand())"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_a_process_that_is_bound_to_one_core_has_one() -> None:
    bind = f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {PROGRAM}"
    done = subprocess.run([sys.executable, "-c", bind], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "1"


def test_without_affinity_it_is_the_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert cores_at_hand(own_groups=tmp_path / "absent") == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores_at_hand(own_groups=tmp_path / "absent") == 1


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("0::/", {"cpu.max": "300000 100000"}, 3),
        ("0::/", {"cpu.max": "250000 100000"}, 3),
        ("0::/", {"cpu.max": "5000 100000"}, 1),
        ("0::/", {"cpu.max": "9900000 100000"}, 8),
        ("0::/jobs/step_1", {"jobs/step_1/cpu.max": "max 100000", "jobs/cpu.max": "200000 100000"}, 2),  # of the job around the step
        ("0::/not/seen/here", {"cpu.max": "200000 100000"}, 2),  # from inside a container
        ("0::/", {}, 8),
        ("7:memory:/a\n4:cpu,cpuacct:/a", {"cpu,cpuacct/a/cpu.cfs_quota_us": "400000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"}, 4),
        ("4:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ("0::/", {"cpu.max": ""}, 8),
    ],
)
def test_limits_of_control_groups(own: str, files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both versions, as Linux writes them; the machine has eight cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    (tmp_path / "own").write_text(f"{own}\n")
    for name, content in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(f"{content}\n")
    assert cores_at_hand(own_groups=tmp_path / "own", groups=tmp_path / "groups") == expected


def test_one_place_counts() -> None:
    sources = Path(__file__).parents[3] / "src"
    counting = [path.name for path in sources.rglob("*.py") if "sched_getaffinity" in path.read_text() or "cpu_count" in path.read_text()]
    assert counting == ["core_count.py"]
