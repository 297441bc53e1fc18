"""The published training step against the default one: same machine, same inputs, interleaved.

    python benchmarks/training_step.py                       # resnet18 at 64 pixels, resnet50 at 112, as many rounds as fit
    python benchmarks/training_step.py --case resnet18:64:32 --rounds 5
    python benchmarks/training_step.py --precisions          # published, and the default step in float32 and bfloat16
    python benchmarks/training_step.py --precisions --compiled    # the same with compiled backbones too
    python benchmarks/training_step.py --profile --rounds 3  # where the time of the default step goes

Each variant adds one change to the one before it; the first is the release's step, the last is what the experiments use.
One round times one step of every variant; the median over rounds is reported, and ratios are taken within rounds. The share of the limit is
that of the time in which the machine's matrix rate, measured in the same round, would do the default step (`matrix_limit.py`).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matrix_limit import MatrixRate, clock_of, operations_of
from step_profile import shares_of
from torch import Tensor, nn

from vclr_pl.backbone.resnet import resnet
from vclr_pl.encoder.momentum_contrast import MomentumEncoder, NegativeQueue
from vclr_pl.encoder.video_encoder import EncoderRuntime, ProjectionHead
from vclr_pl.objective.terms import InterFrame, IntraFrame, SegmentContrast, TemporalOrder, WeightedSum
from vclr_pl.op.contrast import top1_accuracy
from vclr_pl.optim.optimizer import LinearScaledSGD
from vclr_pl.optim.schedule import WarmupCosine
from vclr_pl.pretrain.vclr_module import VCLRModule
from vclr_pl.pretrain.view_encoding import PooledKeys, SeparateEncoding, SharedEncoding
from vclr_pl.runner.precision import BFLOAT16, FLOAT32, faster_precision
from vclr_pl.types import Projections, SegmentViews, TermOutput

DIM, SEGMENTS, TEMPERATURE = 128, 3, 0.1


@dataclass(frozen=True)
class Case:
    """A network, its input and its batch."""

    backbone: str
    pixels: int
    batch: int
    queue: int


@dataclass(frozen=True)
class Variant:
    """What a step does differently from the release."""

    name: str
    lean_queue: bool = False
    lean_update: bool = False
    shared: bool = False
    channels_last: bool = False
    low_precision: bool = False
    contiguous_keys: bool = False
    compiled: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """Of convolutions and matrix products."""
        return torch.bfloat16 if self.low_precision else torch.float32


def variants() -> list[Variant]:
    """From the release to the default, one change at a time."""
    steps = [Variant(name="published")]
    changes = [
        ("queue neither cloned nor repeated", {"lean_queue": True}),
        ("updates over whole lists", {"lean_update": True}),
        ("each image encoded once", {"shared": True}),
        ("channels last", {"channels_last": True}),
        ("bf16 autocast", {"low_precision": True}),
        ("keys in one piece of memory", {"contiguous_keys": True}),
    ]
    for name, change in changes:
        steps.append(replace(steps[-1], name=name, **change))
    return steps


class RepeatedRows(nn.Module):
    """The release's way to a contrast: the queue cloned, the positives' rows stacked, one cross-entropy over all of it."""

    def __init__(self, term: Any) -> None:
        super().__init__()
        self.term, self.weight, self.needs = term, term.weight, term.needs

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head[self.needs.head]
        assert contrast.queue is not None
        queue = contrast.queue.clone()
        keys = contrast.key if contrast.key.dim() == 3 else contrast.key.unsqueeze(0)
        rows = [
            torch.cat([(contrast.query * key).sum(1, keepdim=True), contrast.query @ queue.t()], dim=1) / self.term.temperature
            for key in keys
        ]
        logits = torch.cat(rows)
        loss = nn.functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
        return TermOutput(loss=loss, metrics={"accuracy": top1_accuracy(logits[:, 0], logits[:, 1:].amax(1))})


class StridedKeys(SharedEncoding):
    """The keys of a frame are every S-th row: a head then repeats its weights S times."""

    def keys(self, pooled: list[Tensor], batch: SegmentViews) -> PooledKeys:
        keys = super().keys(pooled, batch)
        return replace(keys, frames=keys.frames.transpose(0, 1).contiguous().transpose(0, 1))


class Step:
    """One whole training step: keys, queries, terms, backward, SGD, momentum encoder, queues."""

    def __init__(self, case: Case, variant: Variant, device: torch.device) -> None:
        torch.manual_seed(0)
        self.variant, self.device = variant, device
        self.module = _module(case, variant).to(device).train()
        if variant.compiled:
            for encoder in (self.module.encoder, self.module.momentum_encoder.encoder):
                encoder.backbone.compile()
        self.parameters = [*self.module.encoder.parameters(), *self.module.objective.parameters()]
        self.optimizer = (
            self.module.optimizer.build(parameters=self.parameters, global_batch_size=case.batch)
            if variant.lean_update
            else torch.optim.SGD(self.parameters, lr=0.1 * case.batch / 256, momentum=0.9, weight_decay=1e-4, foreach=False)
        )

    def __call__(self, batch: SegmentViews) -> float:
        """Run one step; seconds."""
        _wait(self.device)
        clock = clock_of(self.device)
        started = clock()
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.variant.low_precision):
            total = self.module.training_step(batch)
        self.optimizer.zero_grad()
        total.backward()
        self.module.on_after_backward()
        self.optimizer.step()
        self._follow()
        _wait(self.device)
        return clock() - started

    @torch.no_grad()
    def _follow(self) -> None:
        if self.variant.lean_update:
            self.module.momentum_encoder.update(self.module.encoder)
            return
        pairs = zip(self.module.momentum_encoder.encoder.parameters(), self.module.encoder.parameters(), strict=True)
        for own, other in pairs:
            own.mul_(0.999).add_(other.detach(), alpha=0.001)


def _module(case: Case, variant: Variant) -> VCLRModule:
    def wrapped(term: Any) -> nn.Module:
        return term if variant.lean_queue else RepeatedRows(term)

    terms = {
        "inter_frame": wrapped(InterFrame(weight=1.0, temperature=TEMPERATURE)),
        "intra_frame": IntraFrame(weight=1.0, temperature=TEMPERATURE),
        "temporal_order": TemporalOrder(weight=1.0, segments=SEGMENTS, dim=DIM, normalize_over="segment"),
        "segment_contrast": wrapped(SegmentContrast(weight=1.0, temperature=TEMPERATURE)),
    }
    shared = SharedEncoding() if variant.contiguous_keys else StridedKeys()
    encoding = shared if variant.shared else SeparateEncoding()
    queue = partial(NegativeQueue, length=case.queue, initialization="release", mask_own_video=False)
    return VCLRModule(
        backbone=resnet(name=case.backbone),
        head=partial(ProjectionHead, dim=DIM),
        objective=WeightedSum(terms=terms),
        encoding=encoding,
        momentum_encoder=partial(MomentumEncoder, momentum=0.999, copy_buffers=False),
        queue={"inter": queue, "segment": queue},
        optimizer=LinearScaledSGD(lr=0.1, reference_batch_size=256, momentum=0.9, weight_decay=1e-4),
        schedule=WarmupCosine(warmup_epochs=0, warmup_multiplier=100, minimum_lr=0.0),
        runtime=EncoderRuntime(channels_last=variant.channels_last, compile=False),
    )


def make_batch(case: Case, device: torch.device) -> SegmentViews:
    generator = torch.Generator().manual_seed(1)
    order = torch.tensor([[0, 1, 2], [1, 2, 0]]).repeat(case.batch // 2 + 1, 1)[: case.batch]
    views: Tensor = torch.randn(case.batch, 2 * SEGMENTS + 1, 3, case.pixels, case.pixels, generator=generator)
    return SegmentViews(
        views=views,
        color_parameters=torch.zeros(case.batch, 2 * SEGMENTS + 1, 0),
        anchor_segment=2 * torch.randint(2, (case.batch,), generator=generator),
        query_order=order,
        key_order=order.flip(0),
        order_label=torch.randint(4, (case.batch,), generator=generator),
        video_index=torch.arange(case.batch),
    ).to(device)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure(case: Case, *, chosen: list[Variant], rounds: int, device: torch.device) -> list[dict[str, Any]]:
    """Of every chosen variant: median seconds, the ratio to those of the first and the share of the limit, both taken within rounds."""
    batch = make_batch(case, device)
    steps = {variant.name: Step(case, variant, device) for variant in chosen}
    for step in steps.values():
        step(batch)
    operations = operations_of(lambda: Step(case, variants()[-1], device)(batch))
    measured = {dtype: MatrixRate(device, dtype) for dtype in {variant.dtype for variant in chosen}}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    rates: dict[torch.dtype, list[float]] = {dtype: [] for dtype in measured}
    for _ in range(rounds):
        for dtype, rate in measured.items():
            rates[dtype].append(rate())
        for name, step in steps.items():
            seconds[name].append(step(batch))
    reference = seconds[chosen[0].name]
    return [
        {
            "variant": variant.name,
            "seconds": statistics.median(own),
            "samples_per_second": case.batch / statistics.median(own),
            "times_published": statistics.median(first / second for first, second in zip(reference, own, strict=True)),
            "limit_samples_per_second": case.batch * statistics.median(rates[variant.dtype]) / operations,
            "share_of_limit": statistics.median(operations / rate / second for rate, second in zip(rates[variant.dtype], own, strict=True)),
            "matrix_gflops": statistics.median(rates[variant.dtype]) / 1e9,
            "step_gflop": operations / 1e9,
        }
        for variant, own in zip(chosen, seconds.values(), strict=True)
    ]


def _printed(text: str, row: dict[str, Any]) -> None:
    times, share = row["times_published"], 100 * row["share_of_limit"]
    print(
        f"{text:16} {row['variant']:34} {row['samples_per_second']:8.2f} samples/s {times:5.2f}x"
        f" {share:5.1f}% of the limit: {row['limit_samples_per_second']:.1f} samples/s at {row['matrix_gflops']:.0f} GFLOP/s",
        flush=True,
    )


def _peak_of_process(case: Case, variant: Variant, threads: int, answers: Any) -> None:
    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    step, batch = Step(case, variant, device), make_batch(case, device)
    for _ in range(2):
        step(batch)
    answers.put(torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else _resident_peak_mib())


def _resident_peak_mib() -> float:
    """Of this process alone: `ru_maxrss` would count what it inherited when it was spawned."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def peak_memory(case: Case, variant: Variant) -> float:
    """MiB at the peak of two steps in a process of their own: resident on the CPU, allocated on a GPU."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_peak_of_process, args=(case, variant, torch.get_num_threads(), answers))
    process.start()
    peak = float(answers.get())
    process.join()
    return peak


def queue_share(case: Case, *, rounds: int, device: torch.device) -> float:
    """Share of the default step that the two queues take: its time with K rows less that with as few as are allowed."""
    few = replace(case, queue=SEGMENTS * case.batch + 1)
    batch, variant = make_batch(case, device), variants()[-1]
    long, short = Step(case, variant, device), Step(few, variant, device)
    ratios = []
    for place in range(rounds + 1):
        with_queue, without = long(batch), short(batch)
        if place:
            ratios.append(1.0 - without / with_queue)
    return statistics.median(ratios)


def _profiles(text: str, case: Case, *, rounds: int, device: torch.device) -> dict[str, Any]:
    profiles = {}
    for name, low_precision in ((FLOAT32, False), (BFLOAT16, True)):
        step, batch = Step(case, replace(variants()[-1], low_precision=low_precision), device), make_batch(case, device)
        step(batch)
        profiles[name] = shares_of(partial(step, batch), steps=rounds)
        for kind, share in profiles[name].items():
            print(f"{text:16} {name:12} {kind:34} {100 * share:5.1f}%", flush=True)
    return {"case": asdict(case), "profiles": profiles}


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help="BACKBONE:PIXELS:BATCH, repeatable")
    parser.add_argument("--queue", type=int, default=131072)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, help="CPU threads; with 1, seconds are CPU time, which other work changes little")
    parser.add_argument("--precisions", action="store_true", help="only the published step, and the default one in float32 and bfloat16")
    parser.add_argument("--profile", action="store_true", help="only where the time of the default step goes")
    parser.add_argument("--compiled", action="store_true", help="with --precisions: compiled backbones too, after a minute of compilation")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def _all_variants(text: str, case: Case, *, rounds: int, device: torch.device) -> dict[str, Any]:
    rows = measure(case, chosen=variants(), rounds=rounds, device=device)
    for row in rows:
        _printed(text, row)
    for row, variant in ((rows[0], variants()[0]), (rows[-1], variants()[-1])):
        row["peak_mib"] = peak_memory(case, variant)
        print(f"{text:18} {row['variant']:36} {row['peak_mib']:9.0f} MiB at the peak", flush=True)
    share = queue_share(case, rounds=rounds, device=device)
    print(f"{text:18} the queues' share of the default step: {100 * share:.1f}%", flush=True)
    return {"case": asdict(case), "variants": rows, "queue_share": share}


def _precisions(text: str, case: Case, *, rounds: int, device: torch.device, compiled: bool) -> dict[str, Any]:
    default = variants()[-1]
    chosen = [variants()[0], replace(default, name=FLOAT32, low_precision=False), replace(default, name=BFLOAT16)]
    if compiled:
        chosen += [replace(variant, name=f"{variant.name}, compiled", compiled=True) for variant in chosen[1:]]
    rows = measure(case, chosen=chosen, rounds=rounds, device=device)
    for row in rows:
        _printed(text, row)
    return {"case": asdict(case), "variants": rows}


def main() -> None:
    options = _parsed()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    defaults = ["resnet18:64:32", "resnet50:112:8"] + (["resnet50:224:32"] if device.type == "cuda" else [])
    machine = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    record: dict[str, Any] = {"machine": machine, "threads": torch.get_num_threads(), "torch": torch.__version__, "cases": []}
    record["load_before"] = os.getloadavg()
    if options.precisions:
        chosen, reason = faster_precision("auto", {})
        record |= {"chosen": chosen, "reason": reason}
        print(f"a run here chooses {chosen} ({reason})", flush=True)
    for text in options.case or defaults:
        backbone, pixels, batch = text.split(":")
        case = Case(backbone=backbone, pixels=int(pixels), batch=int(batch), queue=options.queue)
        compare = partial(_precisions, compiled=options.compiled) if options.precisions else _profiles if options.profile else _all_variants
        record["cases"].append(compare(text, case, rounds=options.rounds, device=device))
    record["load_after"] = os.getloadavg()
    if options.output:
        options.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
