"""The sections of `benchmarks/gpu.py` without further processes: limits of the card, the bare network, whole steps, memory, colors."""

from __future__ import annotations

import gc
import logging
import statistics
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from training_step import Case, Step, Variant, make_batch, variants

from vclr_pl.backbone.resnet import resnet
from vclr_pl.data.transform.color_augmentation import ColorAugmentation

Row = dict[str, Any]
PRECISIONS = {"32-true": None, "32-true, TF32": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
PUBLISHED, DEFAULT = variants()[0], replace(variants()[-1], low_precision=False)
KINDS = {"published passes": (PUBLISHED, False), "default": (DEFAULT, False), "default, compiled": (DEFAULT, True)}
STEPS = (
    ("published passes", "32-true"),
    ("published passes", "bf16-mixed"),
    *(("default", precision) for precision in PRECISIONS),
    ("default, compiled", "bf16-mixed"),
)
# TFLOP/s of dense bfloat16 products, by the manufacturer, for the model FLOPs utilization.
PEAKS = {
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "B200": 2250.0,
    "RTX 4090": 165.0,
}
WARM_UP, MOST_VIDEOS = 3, 4096
COLOR_TOLERANCE = 0.02  # of a channel that is normalized


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    device: torch.device
    case: Case
    rounds: int
    matrix: int  # side of the matrices whose product is the limit
    short: bool


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def free() -> None:
    """Give the memory of earlier rows back."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gib(device: torch.device) -> float | None:
    return torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else None


def seconds_of(work: Callable[[], Any], plan: Plan) -> float:
    """Median over rounds, after some that are not counted."""
    times = []
    for _ in range(plan.rounds + (1 if plan.short else WARM_UP)):
        wait(plan.device)
        started = time.perf_counter()
        work()
        wait(plan.device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[-plan.rounds :])


def set_precision(name: str) -> torch.dtype | None:
    """TF32 as the name says; the type of autocast."""
    tf32 = "TF32" in name
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    return PRECISIONS[name]


def reason_of(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def each(rows: Iterable[tuple[Row, Callable[[], Row]]]) -> Iterator[Row]:
    """The names and the measurements of each row. One that fails leaves those after it.

    Raises:
        RuntimeError: at the end, if any failed.
    """
    failed = []
    for names, measure in rows:
        free()
        try:
            yield {**names, **measure()}
        except Exception as error:
            traceback.print_exc()
            failed.append(", ".join(names.values()))
            yield {**names, "failed": reason_of(error)}
    if failed:
        raise RuntimeError(f"failed: {'; '.join(failed)}")


def peak_tflops() -> float | None:
    """The manufacturer's rate of this card; None for a card that is not in the table."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return next((rate for name, rate in PEAKS.items() if name in device), None)


def limits(plan: Plan) -> Iterator[Row]:
    """Rates of a matrix product and of a copy: the limits of everything below."""
    for name in PRECISIONS:
        dtype = set_precision(name) or torch.float32
        left = torch.randn(plan.matrix, plan.matrix, device=plan.device, dtype=torch.float32).to(dtype)
        seconds = seconds_of(lambda left=left: left @ left, plan)
        yield {
            "matrix product": name,
            "TFLOP/s": 2 * plan.matrix**3 / seconds / 1e12,
            "manufacturer": peak_tflops() if dtype.itemsize == 2 else None,
        }
    source = torch.empty(64 * plan.matrix**2 // 16, device=plan.device)
    target = torch.empty_like(source)
    yield {"matrix product": "copy", "GB/s read and written": 2 * source.nbytes / seconds_of(lambda: target.copy_(source), plan) / 1e9}


def bare_network(plan: Plan) -> Iterator[Row]:
    """Forward, backward and SGD of the backbone alone, on the images that a step encodes with gradient: what no step exceeds."""
    torch.backends.cudnn.benchmark = True
    rows = [*((name, False) for name in PRECISIONS), *([] if plan.short else [("bf16-mixed", True)])]
    yield from each(
        (
            {"network": f"{plan.case.backbone}{', compiled' if compiled else ''}", "precision": precision},
            partial(_bare, plan, precision=precision, compiled=compiled),
        )
        for precision, compiled in rows
    )


def _bare(plan: Plan, *, precision: str, compiled: bool) -> Row:
    dtype = set_precision(precision)
    network = resnet(name=plan.case.backbone).to(plan.device, memory_format=torch.channels_last).train()
    if compiled:
        network.compile()
    images = torch.randn(plan.case.batch * 3, 3, plan.case.pixels, plan.case.pixels, device=plan.device)
    images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    scaler = torch.amp.GradScaler(plan.device.type, enabled=precision == "16-mixed" and plan.device.type == "cuda")

    def work() -> None:
        with torch.autocast(plan.device.type, dtype=dtype, enabled=dtype is not None):
            loss = network(images).float().square().mean()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    return {"images/s": len(images) / seconds_of(work, plan), "GiB": peak_gib(plan.device)}


class PreciseStep(Step):
    """A whole step in one precision, compiled or not, with a scaler of gradients in float16."""

    def __init__(self, case: Case, variant: Variant, device: torch.device, *, precision: str, compiled: bool) -> None:
        super().__init__(case, variant, device)
        self.dtype = set_precision(precision)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "16-mixed" and device.type == "cuda")
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


def training_steps(plan: Plan) -> Iterator[Row]:
    """Whole steps: published passes, ours, ours compiled; model FLOPs utilization (MFU) by the manufacturer's bfloat16 rate."""
    torch.backends.cudnn.benchmark = True
    batch = make_batch(plan.case, plan.device)
    flops = flops_of_a_step(plan, batch)
    yield from each(
        (
            {"step": kind, "precision": precision},
            partial(_step, plan, batch, variant=KINDS[kind][0], compiled=KINDS[kind][1], precision=precision, flops=flops),
        )
        for kind, precision in STEPS
    )


def flops_of_a_step(plan: Plan, batch: Any) -> int:
    """Of the model: of the default step, which encodes no image twice. The published passes do more for the same."""
    step = PreciseStep(plan.case, DEFAULT, plan.device, precision="32-true", compiled=False)
    with FlopCounterMode(display=False) as counter:
        step.run(batch)
    return int(counter.get_total_flops())


def _step(plan: Plan, batch: Any, *, variant: Variant, compiled: bool, precision: str, flops: int) -> Row:
    step = PreciseStep(plan.case, variant, plan.device, precision=precision, compiled=compiled)
    seconds = seconds_of(lambda: step.run(batch), plan)
    rate, peak = flops / seconds / 1e12, peak_tflops()
    return {
        "videos/s": plan.case.batch / seconds,
        "ms": 1000 * seconds,
        "GiB": peak_gib(plan.device),
        "TFLOP/s": rate,
        "MFU %": None if peak is None else 100 * rate / peak,
    }


def largest_batch(plan: Plan) -> Iterator[Row]:
    """The batch that one card holds, by doubling until a step fails, in bf16-mixed, without cuDNN's search for algorithms at each size."""
    batch = plan.case.batch
    while batch <= (2 * plan.case.batch if plan.short else MOST_VIDEOS):
        try:
            yield {"videos": batch, "fits": "yes", **_batch(plan, batch)}
        except RuntimeError as error:  # cuBLAS, cuDNN and kernels with 32-bit indices have errors of their own for what is too large
            if batch == plan.case.batch:
                raise
            yield {"videos": batch, "fits": f"no: {reason_of(error)}"}
            return
        batch *= 2


def _batch(plan: Plan, batch: int) -> Row:
    free()
    case = replace(plan.case, batch=batch, queue=max(plan.case.queue, 8 * batch))
    step, videos = PreciseStep(case, DEFAULT, plan.device, precision="bf16-mixed", compiled=False), make_batch(case, plan.device)
    seconds = seconds_of(lambda: step.run(videos), replace(plan, rounds=1))
    return {"videos/s": batch / seconds, "GiB": peak_gib(plan.device)}


def color_operations(plan: Plan) -> Iterator[Row]:
    """Color operations of a batch on the device, and their largest difference to the CPU's.

    The short form has no compiled row: on a CPU other functions are compiled than on a GPU. The unit tests compile both.
    """
    from tests.color_draws import published_color

    reference, *others = (
        published_color(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), compile=compiles)
        for compiles in ((False, True) if plan.device.type == "cuda" else (False,))
    )
    for color in (reference, *others):
        with told() as said:
            row = _colored(plan, color, reference=reference)
        yield row
        if said:
            raise AssertionError("; ".join(said))
        if row["mean difference"] > COLOR_TOLERANCE:
            raise AssertionError(f"colors of the device differ from the CPU's by {row['mean difference']:.3g} on average")


@contextmanager
def told() -> Iterator[list[str]]:
    """What the package logs about functions that it could not compile."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("vclr_pl.data.transform.compilation")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _colored(plan: Plan, color: ColorAugmentation, *, reference: ColorAugmentation) -> Row:
    generator = torch.Generator().manual_seed(0)
    shape = (plan.case.batch * 7, 3, plan.case.pixels, plan.case.pixels)
    views = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    parameters = color.draw(len(views), np.random.default_rng(0))
    on_device, moved = views.to(plan.device), parameters.to(plan.device)
    seconds = seconds_of(lambda: color.apply(on_device, moved), plan)
    expected = reference.apply(views[:14], parameters[:14])
    difference = (color.apply(on_device[:14], moved[:14]).cpu() - expected).abs()
    return {
        "compiled": color.compile is True,
        "ms a video": 1000 * seconds / plan.case.batch,
        "largest difference": float(difference.max()),
        "mean difference": float(difference.mean()),
    }
