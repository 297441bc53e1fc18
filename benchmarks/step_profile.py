"""Where the time of a step goes, by kind of operation, on a CPU."""

from __future__ import annotations

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

KINDS = {
    "convolutions, forward": ("mkldnn_convolution",),
    "convolutions, backward": ("convolution_backward",),
    "matrix products": ("mm", "addmm", "bmm"),
    "batch norm": ("native_batch_norm", "native_batch_norm_backward"),
    "ReLU and sums of branches": ("clamp_min_", "threshold_backward", "add_"),
    "max pooling": ("max_pool2d_with_indices", "max_pool2d_with_indices_backward"),
    "copies between types and layouts": ("copy_",),
    "optimizer and momentum encoder": ("_fused_sgd_", "lerp_"),
}
REST = "the rest"


def shares_of(step: Callable[[], object], *, steps: int) -> dict[str, float]:
    """Share of the time of some steps by kind."""
    with profile(activities=[ProfilerActivity.CPU]) as measured:
        for _ in range(steps):
            step()
    seconds = {event.key.removeprefix("aten::"): event.self_cpu_time_total for event in measured.key_averages()}
    total = sum(seconds.values())
    shares = {kind: sum(seconds.get(name, 0.0) for name in names) / total for kind, names in KINDS.items()}
    return {**shares, REST: 1.0 - sum(shares.values())}
