"""One GPU in ten minutes, without a network: tests, the step, its memory, input from files, two processes and the demo.

    make gpu                                      # on the first GPU; writes benchmarks/results/gpu_NAME_DATE.json
    make gpu SHORT=1                              # tiny sizes, in about a minute, on a CPU too: keeps this program working
    python benchmarks/gpu.py --only steps,batch   # some of the sections

Each section prints a Markdown table. A section that fails or exceeds its time leaves the others; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(Path(__file__).parent)]  # the package need not be installed

import gpu_commands  # noqa: E402
import gpu_steps  # noqa: E402
import torch  # noqa: E402
from gpu_steps import Plan  # noqa: E402
from training_step import Case  # noqa: E402

Row = dict[str, Any]
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Section:
    """`seconds` is the budget on a GPU; the sum of all is ten minutes."""

    work: Callable[[Plan], Sequence[Row]]
    seconds: int


SECTIONS: Mapping[str, Section] = {
    "tests": Section(gpu_commands.marked_tests, 90),
    "limits": Section(gpu_steps.limits, 10),
    "bare": Section(gpu_steps.bare_network, 80),
    "steps": Section(gpu_steps.training_steps, 160),
    "batch": Section(gpu_steps.largest_batch, 40),
    "color": Section(gpu_steps.color_operations, 10),
    "pair": Section(gpu_commands.two_processes, 50),
    "files": Section(gpu_commands.input_from_files, 60),
    "demo": Section(gpu_commands.demo, 100),
}


class OverBudgetError(BaseException):
    """A section took longer than it may."""


def plan_of(*, short: bool) -> Plan:
    """The published network and size on a GPU, tiny ones in the short form."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if short:
        return Plan(device=device, case=Case(backbone="resnet18", pixels=32, batch=2, queue=64), rounds=1, matrix=256, short=True)
    return Plan(device=device, case=Case(backbone="resnet50", pixels=224, batch=32, queue=131_072), rounds=10, matrix=8192, short=False)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises OverBudgetError in the block after so many seconds."""

    def over(*_: Any) -> None:
        raise OverBudgetError(f"more than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def measured(
    sections: Mapping[str, Section], plan: Plan, *, factor: float = 1.0, after: Callable[[Mapping[str, Row]], None] = lambda _: None
) -> dict[str, Row]:
    """Every section with its rows, seconds and error. Prints the tables.

    Args:
        factor: of the budgets.
        after: is called after each section.
    """
    found: dict[str, Row] = {}
    for name, section in sections.items():
        print(f"\n### {name}: {(section.work.__doc__ or name).splitlines()[0]}\n", flush=True)
        rows: list[Row] = []
        error, started = None, time.perf_counter()
        try:
            with within(section.seconds * factor):
                for row in section.work(plan):
                    rows.append(row)  # noqa: PERF402  # those before a failure are kept
        except (Exception, OverBudgetError) as failure:
            traceback.print_exc()
            error = f"{type(failure).__name__}: {failure}"
        gpu_steps.free()
        print(table(rows), flush=True)
        found[name] = {"rows": rows, "seconds": round(time.perf_counter() - started, 1), "error": error}
        after(found)
    return found


def table(rows: Sequence[Row]) -> str:
    """A Markdown table with a column for each key of any row."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, ["---"] * len(columns)] if columns else []
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [*lines, *([_cell(row.get(key)) for key in columns] for row in rows)])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def machine() -> Row:
    """Names and versions."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda, "python": platform.python_version()}
    return {
        "device": device,
        "cards": torch.cuda.device_count(),
        "cores": len(os.sched_getaffinity(0)),
        **versions,
        "date": time.strftime("%Y-%m-%d"),
    }


def failures(found: Mapping[str, Row]) -> list[str]:
    """Names of the sections that failed."""
    return [name for name, section in found.items() if section["error"]]


def default_output(found: Row) -> Path:
    name = re.sub(r"\W+", "_", str(found["device"]).lower()).strip("_")
    return RESULTS / f"gpu_{name}_{time.strftime('%Y%m')}.json"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="tiny sizes, on a CPU too; without --output no file is written")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(SECTIONS), help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--output", type=Path, help="JSON file of all rows")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.only if name not in SECTIONS]:
        parser.error(f"no section {unknown[0]}; the sections are {', '.join(SECTIONS)}")
    if not given.short and not torch.cuda.is_available():
        parser.error("torch finds no GPU. Add --short (make gpu SHORT=1), which runs on the CPU.")
    plan, started, here = plan_of(short=given.short), time.perf_counter(), machine()
    print(table([here]), flush=True)
    sections = {name: section for name, section in SECTIONS.items() if name in given.only}
    output = given.output or (None if given.short else default_output(here))
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)

    def write(found: Mapping[str, Row]) -> None:
        content = {"machine": here, "short": given.short, "failed": failures(found), "sections": found}
        if output is not None:
            output.write_text(json.dumps(content, indent=2) + "\n")

    found = measured(sections, plan, factor=3.0 if given.short else 1.0, after=write)
    failed = failures(found)
    if output is not None:
        print(f"\nwritten: {output}")
    print(f"\n{time.perf_counter() - started:.0f} s; failed: {', '.join(failed) or 'nothing'}", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
