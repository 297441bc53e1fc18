"""One GPU in ten minutes, without a network: what the step, the input and a whole run reach, beside what the card allows.

    python benchmarks/gpu.py --output gpu.json            # `make gpu`: on the first GPU
    python benchmarks/gpu.py --short                      # on the CPU too: small networks and few steps, so that the script keeps working

Each part prints its rows and goes on after a failure of another. The JSON file has all rows, the machine and the versions.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent))
from training_step import Case, Step, Variant, make_batch, variants  # the steps that are compared

PRECISIONS = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
PUBLISHED, DEFAULT = variants()[0], replace(variants()[-1], low_precision=False)


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    device: torch.device
    case: Case
    rounds: int
    matrix: int  # side of the matrices whose product is the limit
    demo: tuple[str, ...]  # options of the whole run


def plan_of(*, short: bool) -> Plan:
    """The published network and size on a GPU; a small one where time or the card is missing."""
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    if short or not on_gpu:
        tiny = ("data.train_videos_per_class=2", "data.test_videos_per_class=1", "loader.batch_size=4", "trainer.max_epochs=1")
        return Plan(device=device, case=Case(backbone="resnet18", pixels=32, batch=4, queue=256), rounds=2, matrix=512, demo=tiny)
    return Plan(device=device, case=Case(backbone="resnet50", pixels=224, batch=32, queue=131_072), rounds=10, matrix=8192, demo=())


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], Any], *, device: torch.device, rounds: int) -> float:
    """Median over rounds, after one that is not counted."""
    times = []
    for place in range(rounds + 1):
        wait(device)
        started = time.perf_counter()
        work()
        wait(device)
        if place:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def matrix_product(plan: Plan) -> list[dict[str, Any]]:
    """TFLOP/s of a matrix product in each precision: the limit of everything below."""
    rows = []
    for name, dtype in PRECISIONS.items():
        left = torch.randn(plan.matrix, plan.matrix, device=plan.device, dtype=dtype or torch.float32)
        seconds = seconds_of(lambda left=left: left @ left, device=plan.device, rounds=plan.rounds)
        rows.append({"precision": name, "tflops": 2 * plan.matrix**3 / seconds / 1e12})
    return rows


class PreciseStep(Step):
    """A step in one precision, compiled or not, with a scaler of gradients in float16."""

    def __init__(self, case: Case, variant: Variant, device: torch.device, *, precision: str, compiled: bool) -> None:
        super().__init__(case, variant, device)
        self.dtype = PRECISIONS[precision]
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "16-mixed")
        if compiled:
            for encoder in (self.module.encoder, self.module.momentum_encoder.encoder):
                encoder.backbone.compile()

    def run(self, batch: Any) -> None:
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not None):
            total = self.module.training_step(batch)
        self.optimizer.zero_grad()
        self.scaler.scale(total).backward()
        self.module.on_after_backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._follow()


def training_steps(plan: Plan) -> list[dict[str, Any]]:
    """Videos/s, memory and the share of the matrix product's rate: the published passes, ours, and ours compiled."""
    limits = {row["precision"]: row["tflops"] for row in matrix_product(plan)}
    kinds = [("published passes", PUBLISHED, False), ("default", DEFAULT, False), ("default, compiled", DEFAULT, True)]
    rows = []
    for precision in PRECISIONS:
        for name, variant, compiled in kinds:
            torch.manual_seed(0)
            step = PreciseStep(plan.case, variant, plan.device, precision=precision, compiled=compiled)
            batch = make_batch(plan.case, plan.device)
            if plan.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            seconds = seconds_of(lambda step=step, batch=batch: step.run(batch), device=plan.device, rounds=plan.rounds)
            flops = 0 if compiled else flops_of(lambda step=step, batch=batch: step.run(batch))
            flops = flops or rows[-1]["flops"]
            memory = torch.cuda.max_memory_allocated() / 2**30 if plan.device.type == "cuda" else None
            rate = flops / seconds / 1e12
            rows.append(
                {
                    "step": name,
                    "precision": precision,
                    "videos/s": plan.case.batch / seconds,
                    "GiB": memory,
                    "flops": flops,
                    "share of product %": 100 * rate / limits[precision],
                }
            )
            show(rows[-1])
    return rows


def flops_of(work: Callable[[], Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def bare_network(plan: Plan) -> list[dict[str, Any]]:
    """Forward and backward of the backbone alone on as many images as a step encodes with gradient: what no step can exceed."""
    from vclr_pl.backbone.resnet import resnet

    network = resnet(name=plan.case.backbone).to(plan.device, memory_format=torch.channels_last)
    images = torch.randn(plan.case.batch * 3, 3, plan.case.pixels, plan.case.pixels, device=plan.device)
    images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    rows = []
    for precision, dtype in PRECISIONS.items():

        def work(dtype: torch.dtype | None = dtype) -> None:
            with torch.autocast(plan.device.type, dtype=dtype, enabled=dtype is not None):
                loss = network(images).float().square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        rows.append({"precision": precision, "images/s": len(images) / seconds_of(work, device=plan.device, rounds=plan.rounds)})
        show(rows[-1])
    return rows


def largest_batch(plan: Plan) -> list[dict[str, Any]]:
    """The largest power of two of videos that a step holds, in bf16-mixed; on a GPU only."""
    if plan.device.type != "cuda" or plan.case.backbone != "resnet50":
        return []
    batch = plan.case.batch
    while batch < 4096:
        case = replace(plan.case, batch=2 * batch, queue=max(plan.case.queue, 8 * batch))
        try:
            PreciseStep(case, DEFAULT, plan.device, precision="bf16-mixed", compiled=False).run(make_batch(case, plan.device))
        except torch.cuda.OutOfMemoryError:
            break
        finally:
            torch.cuda.empty_cache()
        batch *= 2
    return [{"largest batch": batch, "GiB": torch.cuda.get_device_properties(0).total_memory / 2**30}]


def color_operations(plan: Plan) -> list[dict[str, Any]]:
    """Milliseconds of the color operations of one video, beside the CPU's result: the largest difference."""
    from tests.integration.test_fake_gpu import augmentation

    color = augmentation()
    views = torch.randint(256, (plan.case.batch * 7, 3, plan.case.pixels, plan.case.pixels), dtype=torch.uint8)
    parameters = color.draw(len(views), __import__("numpy").random.default_rng(0))
    on_device, moved = views.to(plan.device), parameters.to(plan.device)
    seconds = seconds_of(lambda: color.apply(on_device, moved), device=plan.device, rounds=plan.rounds)
    difference = (color.apply(on_device[:14], moved[:14]).cpu() - color.apply(views[:14], parameters[:14])).abs().max()
    return [{"color ms/video": 1000 * seconds / plan.case.batch, "largest difference to the CPU": float(difference)}]


def whole_run(plan: Plan) -> list[dict[str, Any]]:
    """The demo on this device and on the CPU: R@1 and seconds of each, rendered once."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="gpu_demo_") as folder:
        for accelerator in dict.fromkeys([plan.device.type, "cpu"]):
            run = Path(folder) / accelerator
            options = [
                f"hydra.run.dir={run}",
                f"paths.data={folder}/data",
                "page=null",
                f"trainer={'gpu' if accelerator == 'cuda' else 'cpu'}",
            ]
            command = [sys.executable, "-m", "vclr_pl.train", "experiment=demo", *options, *plan.demo]
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, text=True)
            metrics = json.loads((run / "results.json").read_text())["metrics"]
            rows.append({"demo on": accelerator, "R@1": metrics["retrieval/R@1"], "seconds": time.perf_counter() - started})
            show(rows[-1])
    return rows


def marked_tests(plan: Plan) -> list[dict[str, Any]]:
    """The tests marked `gpu`: on this device."""
    del plan
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "gpu", "tests"], capture_output=True, text=True)
    return [{"tests": done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-300:], "passed": done.returncode == 0}]


def show(row: dict[str, Any]) -> None:
    cells = [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items() if name != "flops"]
    print("  " + "   ".join(cells), flush=True)


PARTS = (matrix_product, bare_network, training_steps, largest_batch, color_operations, marked_tests, whole_run)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="small networks and few steps; the default without a GPU")
    parser.add_argument("--output", type=Path, help="JSON file of all rows")
    options = parser.parse_args()
    plan = plan_of(short=options.short)
    machine = torch.cuda.get_device_name() if plan.device.type == "cuda" else platform.processor() or platform.machine()
    record: dict[str, Any] = {"machine": machine, "torch": torch.__version__, "python": platform.python_version(), "failed": []}
    for part in PARTS:
        print(f"{part.__name__}: {(part.__doc__ or '').splitlines()[0]}", flush=True)
        try:
            record[part.__name__] = part(plan)
            if part not in (bare_network, training_steps, whole_run):
                for row in record[part.__name__]:
                    show(row)
        except Exception:
            record["failed"].append(part.__name__)
            traceback.print_exc()
    if options.output:
        options.output.write_text(json.dumps(record, indent=2) + "\n")
    print(f"failed: {', '.join(record['failed']) or 'nothing'}", flush=True)
    return int(bool(record["failed"]))


if __name__ == "__main__":
    sys.exit(main())
