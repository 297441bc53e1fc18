"""One GPU in ten minutes, without a network: tests, the step, its memory, input from files, two processes and the demo.

    make gpu                                      # on the first GPU; writes benchmarks/results/gpu_NAME_TIME.json
    make gpu SHORT=1                              # tiny sizes, in about a minute, on a CPU too: keeps this program working
    python benchmarks/gpu.py --only steps,batch   # some of the sections

Each section runs in a process of its own and prints a Markdown table; the file is written after each row. A section that fails or exceeds
its time leaves the others; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
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
# Forks have all imports and take no time to start. That needs a parent that never asks for the GPU: after that a fork cannot use it.
FORKS = multiprocessing.get_context("fork")
SECONDS_TO_END, SECONDS_TO_FIND_THE_GPU = 5.0, 60.0


@dataclass(frozen=True)
class Section:
    """`seconds` is the budget on a GPU. A section that takes less leaves the rest to those after it."""

    work: Callable[[Plan], Iterable[Row]]
    seconds: int


# Those that compile are the least certain: they come last, with the time that the others left. The sum leaves 40 s of ten minutes.
SECTIONS: Mapping[str, Section] = {
    "limits": Section(gpu_steps.limits, 25),
    "tests": Section(gpu_commands.marked_tests, 90),
    "pair": Section(gpu_commands.two_processes, 45),
    "batch": Section(gpu_steps.largest_batch, 40),
    "files": Section(gpu_commands.input_from_files, 55),
    "demo": Section(gpu_commands.demo, 80),
    "color": Section(gpu_steps.color_operations, 55),
    "bare": Section(gpu_steps.bare_network, 75),
    "steps": Section(gpu_steps.training_steps, 95),
}


class SectionError(Exception):
    """What ended a section before its end."""


def plan_of(device: str, *, short: bool) -> Plan:
    """The published network and size on a GPU, tiny ones in the short form."""
    if short:
        case = Case(backbone="resnet18", pixels=32, batch=2, queue=64)
        return Plan(device=torch.device(device), case=case, rounds=1, matrix=256, short=True)
    case = Case(backbone="resnet50", pixels=224, batch=32, queue=131_072)
    return Plan(device=torch.device(device), case=case, rounds=10, matrix=8192, short=False)


def apart(work: Callable[[], Iterable[Row]], *, seconds: float) -> Iterator[Row]:
    """The rows of `work` as they come, from a process of its own, which is ended with all that it has started.

    A section then inherits neither memory nor a failed CUDA context, and one that hangs inside the driver ends, too.

    Raises:
        SectionError: of `work`, of its process, or because it takes longer.
    """
    receiving, sending = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_sent, args=(work, sending))
    process.start()
    sending.close()
    ends = time.perf_counter() + seconds
    try:
        while receiving.poll(max(0.0, ends - time.perf_counter())):
            sent: Row | str | None = receiving.recv()
            if sent is None:
                return
            if isinstance(sent, str):
                raise SectionError(sent)
            yield sent
        raise SectionError(f"not ended after {seconds:.0f} s")
    except EOFError:
        process.join(SECONDS_TO_END)
        raise SectionError(f"its process ended with exit code {process.exitcode}") from None
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):  # the first removes temporary folders
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            process.join(SECONDS_TO_END)


def _sent(work: Callable[[], Iterable[Row]], sending: Connection) -> None:
    """In the process: each row, then the error as text or None."""
    os.setsid()  # a group, so that it ends with all that it has started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    error = None
    try:
        for row in work():
            sending.send(row)
    except Exception as failure:
        traceback.print_exc()
        error = f"{type(failure).__name__}: {failure}"
    sending.send(error)


def measured(
    sections: Mapping[str, Section], plan: Plan, *, factor: float = 1.0, after: Callable[[Mapping[str, Row]], None] = lambda _: None
) -> dict[str, Row]:
    """Every section with its rows, seconds and error. Prints the tables.

    Args:
        factor: of the budgets.
        after: is called after each row and each section.
    """
    found: dict[str, Row] = {}
    ends = time.perf_counter()
    for name, section in sections.items():
        print(f"\n### {name}: {(section.work.__doc__ or name).splitlines()[0]}\n", flush=True)
        started, ends = time.perf_counter(), ends + section.seconds * factor
        found[name] = {"rows": [], "seconds": None, "error": "not ended"}
        error = None
        try:
            for row in apart(partial(section.work, plan), seconds=ends - started):
                found[name]["rows"].append(row)
                after(found)
        except SectionError as failure:
            error = str(failure)
            print(f"failed: {error}\n", flush=True)
        print(table(found[name]["rows"]), flush=True)
        found[name] |= {"seconds": round(time.perf_counter() - started, 1), "error": error}
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
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def machine() -> Iterator[Row]:
    """Names and versions."""
    has_gpu = torch.cuda.is_available()
    yield {
        "device": torch.cuda.get_device_name() if has_gpu else platform.processor() or platform.machine(),
        "type": "cuda" if has_gpu else "cpu",
        "cards": torch.cuda.device_count(),
        "cores": len(os.sched_getaffinity(0)),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def chosen(names: Sequence[str]) -> dict[str, Section]:
    """Some of the sections, each with the time of those before it that are left out."""
    found, seconds = dict[str, Section](), 0
    for name, section in SECTIONS.items():
        seconds += section.seconds
        if name in names:
            found[name], seconds = replace(section, seconds=seconds), 0
    return found


def failures(found: Mapping[str, Row]) -> list[str]:
    """Names of the sections that failed."""
    return [name for name, section in found.items() if section["error"]]


def default_output(found: Row) -> Path:
    """A new file for each start, so that none overwrites another."""
    name = re.sub(r"\W+", "_", str(found["device"]).lower()).strip("_")
    return RESULTS / f"gpu_{name}_{time.strftime('%Y%m%d_%H%M%S')}.json"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="tiny sizes, on a CPU too; without --output no file is written")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(SECTIONS), help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--output", type=Path, help="JSON file of all rows")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.only if name not in SECTIONS]:
        parser.error(f"no section {unknown[0]}; the sections are {', '.join(SECTIONS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # Python's own way would leave the section's process
    started = time.perf_counter()
    (here,) = apart(machine, seconds=SECONDS_TO_FIND_THE_GPU)
    if not given.short and here["type"] != "cuda":
        parser.error("torch finds no GPU. Add --short (make gpu SHORT=1), which runs on the CPU.")
    print(table([here]), flush=True)
    output = given.output or (None if given.short else default_output(here))

    def write(found: Mapping[str, Row]) -> None:
        content = {"machine": here, "short": given.short, "failed": failures(found), "sections": found}
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            draft = output.with_suffix(".unfinished")  # a kill while it is written costs no earlier row
            draft.write_text(json.dumps(content, indent=2) + "\n")
            draft.replace(output)

    write({})  # a folder that cannot be written fails here
    found = measured(chosen(given.only), plan_of(here["type"], short=given.short), factor=3.0 if given.short else 1.0, after=write)
    failed = failures(found)
    if output is not None:
        print(f"\nwritten: {output}")
    print(f"\n{time.perf_counter() - started:.0f} s; failed: {', '.join(failed) or 'nothing'}", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
