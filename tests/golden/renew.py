"""`make golden`: the golden curves anew, all or those named. Commit first: the files have the commit that made them.

python -m tests.golden.renew vclr_composition
"""

from __future__ import annotations

import platform
import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from tests.golden.runs import CONFIGURATIONS, arguments_of, bounds_of, golden_file, run_configuration

from vclr_pl.report.compared_curves import curves_of
from vclr_pl.report.compared_runs import ComparedRun, read_runs
from vclr_pl.report.golden import EVALUATED, GoldenCurves


def golden_of(run: ComparedRun, *, name: str, command: str) -> GoldenCurves:
    """The curves and results that have bounds. Times are left out: no two runs share them."""
    found, record = curves_of(run), run.record
    bounds = bounds_of(name, [*found, *record.metrics])
    curves = {metric: points for metric, points in found.items() if metric.removeprefix(EVALUATED) in bounds}
    metrics, baseline = (
        {metric: value for metric, value in kept.items() if metric in bounds} for kept in (record.metrics, record.baseline)
    )
    provenance = {key: value for key, value in record.provenance.items() if key != "config_hash"}  # it depends on the folder of the data
    kept = replace(record, metrics=metrics, baseline=baseline, provenance=provenance, timings_seconds={})
    made = {"command": command, "processor": processor(), "instructions": torch.backends.cpu.get_cpu_capability()}
    return GoldenCurves(record=kept, curves=curves, bounds=bounds, made=made)


def processor() -> str:
    """The processor's name where the system tells it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def main(names: list[str]) -> None:
    found = {}
    for name in names or CONFIGURATIONS:
        with tempfile.TemporaryDirectory() as folder:
            run_configuration(name, data=Path(folder) / "data", folder=Path(folder) / "run")
            (run,) = read_runs([str(Path(folder) / "run")])
            words = arguments_of(name, data=Path("DIR"), folder=Path("RUN"))
            found[name] = golden_of(run, name=name, command=shlex.join(["python", "-m", "vclr_pl.train", *words]))
    for name, golden in found.items():  # after all runs: a file that is written makes the checkout differ from its commit
        golden.write(golden_file(name))
        print(golden_file(name), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
