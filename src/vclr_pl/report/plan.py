"""What a run will need, in words: videos, steps, memory, disk and time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MUCH_LOAD = 1.5  # waiting programs a core
MUCH_WAITING = 0.25  # share of the time; above it, reading videos limits the run


class VideoLengths(Protocol):
    """Length of the videos of a list, from all or some of their headers."""

    @property
    def videos(self) -> int: ...
    @property
    def read(self) -> int: ...
    @property
    def total_seconds(self) -> float | None: ...
    @property
    def median_seconds(self) -> float | None: ...
    @property
    def unreadable(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Length of a run in optimizer steps. `total` includes the `done` steps of earlier starts."""

    per_epoch: int
    total: int
    videos_per_step: int
    done: int = 0


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of a process of the run.

    Args:
        network: weights, gradients, momentum of the optimizer, and the momentum encoder.
        queues: keys in the queues.
        batches: batches that the workers prepare in advance, in main memory; None if unknown.
        workers: number of reading processes.
        activations: kept for backward, estimated; None if unknown.
        on_gpu: network, queues and activations are in the memory of a GPU.
        machine: main memory of the machine or its control group; None if unknown.
        gpu: memory of the GPU.
    """

    network: int
    queues: int
    batches: int | None
    workers: int
    activations: int | None = None
    on_gpu: bool = False
    machine: int | None = None
    gpu: int | None = None


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Bytes in the run folder: `checkpoints` files of `checkpoint` bytes, and the exported network with logs and pictures."""

    checkpoint: int
    checkpoints: int
    others: int
    free: int

    @property
    def total(self) -> int:
        return self.checkpoint * self.checkpoints + self.others

    @property
    def needed(self) -> int:
        """With the draft of a checkpoint that replaces an older one."""
        return self.total + (self.checkpoint if self.checkpoints else 0)


def video_words(lengths: VideoLengths, *, test_videos: int) -> str:
    """`videos: 400 for training, 150 for testing; 26:40 of training video, median 4.0 s`."""
    tested = f", {test_videos:,} for testing" if test_videos else ""
    if lengths.total_seconds is None or lengths.median_seconds is None:
        parts = ["length unknown (folders of frames, videos on a server, or files without a duration)"]
    else:
        parts = [f"{clock(lengths.total_seconds)} of training video, median {lengths.median_seconds:.1f} s"]
    if lengths.read < lengths.videos:
        parts[0] = f"about {parts[0]} (a sample of {lengths.read:,})"
    if lengths.unreadable:
        parts.append(f"{lengths.unreadable:,} of the {lengths.read:,} headers that were read have no video or no duration")
    return f"videos: {lengths.videos:,} for training{tested}; {'; '.join(parts)}"


def step_words(steps: Steps) -> str:
    """`steps: 12 an epoch, 864 in all, 32 videos a step`."""
    done = f", {steps.done:,} of them done" if steps.done else ""
    return f"steps: {steps.per_epoch:,} an epoch, {steps.total:,} in all{done}, {steps.videos_per_step:,} videos a step"


def memory_words(memory: Memory) -> str:
    """What the network takes, on the device, and what the workers take."""
    place = "GPU memory" if memory.on_gpu else "memory"
    parts = [f"{size(memory.network)} for network and optimizer"]
    parts += [f"{size(memory.queues)} for queues"] if memory.queues else []
    parts += [] if memory.activations is None else [f"about {size(memory.activations)} for activations"]
    workers = "no workers" if not memory.workers else f"{memory.workers} worker{'' if memory.workers == 1 else 's'}"
    ahead = "" if memory.batches is None else f", {size(memory.batches)} of memory for batches in advance"
    return f"{place}: {', '.join(parts)}; {workers}{ahead}"


def disk_words(disk: Disk, *, folder: str) -> str:
    """`disk: 4 checkpoints of 12 MB and about 8 MB of other files, 56 MB in all; 120 GB free in runs/demo`."""
    kept = (
        f"{disk.checkpoints} checkpoint{'' if disk.checkpoints == 1 else 's'} of {size(disk.checkpoint)}"
        if disk.checkpoints
        else "no checkpoint"
    )
    return f"disk: {kept} and {size(disk.others)} of other files, {size(disk.total)} in all; {size(disk.free)} free; writing into {folder}"


def shortages(memory: Memory, disk: Disk) -> list[str]:
    """Warnings where the machine has less than the run needs."""
    found = []
    if disk.needed > disk.free:
        found.append(
            f"the run needs {size(disk.needed)} of disk and {size(disk.free)} are free: free some space, choose another folder with "
            "hydra.run.dir=DIR, or keep fewer checkpoints with callback.checkpoint=null"
        )
    on_device = memory.network + memory.queues + (memory.activations or 0)
    smaller = "set loader.batch_size or transform.size_pixels lower"
    if memory.gpu is not None and on_device > memory.gpu:
        found.append(f"the run needs about {size(on_device)} of GPU memory and the GPU has {size(memory.gpu)}: {smaller}")
    in_main = (memory.batches or 0) + (0 if memory.on_gpu else on_device)
    if memory.machine is not None and in_main > memory.machine:
        found.append(f"the run needs about {size(in_main)} of memory and the machine has {size(memory.machine)}: {smaller}")
    return found


def time_words(*, seconds: float, waiting: float, now: float | None = None) -> str:
    """`about 12 min, until 14:05; reading videos limits the speed (40% of the time is waiting)`.

    Args:
        seconds: that are left.
        waiting: share of the step time in which the network waits for videos.
        now: time of the day in seconds since the epoch; None for the present.
    """
    share = f"{100 * waiting:.0f}% of the time is waiting for videos"
    limit = f"reading videos limits the speed ({share})" if waiting > MUCH_WAITING else f"the network limits the speed ({share})"
    return f"about {rough(seconds)}, until {end_of_day(seconds, now=now)}; {limit}"


def decoding_words(*, seconds_per_video: float, videos_per_second: float, cores: int) -> str:
    """`decoding: 3.2 cores of 16, for 290 videos/s of the network and 11 ms of a core a video`.

    Args:
        seconds_per_video: of a core, for reading, decoding and cropping.
        videos_per_second: that the network takes on all devices of this machine where it does not wait.
        cores: of this machine.
    """
    needed, milliseconds = seconds_per_video * videos_per_second, 1000 * seconds_per_video
    rate = f"{videos_per_second:.0f} videos/s of the network and {milliseconds:.{0 if milliseconds >= 10 else 1}f} ms of a core a video"
    return f"decoding: {needed:.1f} core{'' if f'{needed:.1f}' == '1.0' else 's'} of {cores}, for {rate}"


def busy_words(*, load: float, cores: int) -> list[str]:
    """A line if other programs keep the cores busy, so that the measured time is longer than that of an idle machine."""
    if load <= MUCH_LOAD * cores:
        return []
    return [f"the machine is busy (load {load:.0f} on {cores} core{'' if cores == 1 else 's'}): alone, the run is faster than measured"]


def end_of_day(seconds: float, *, now: float | None = None) -> str:
    """`14:05`, the time of the day in so many seconds; `Mon 14:05` on another day, with the date after more than six."""
    begin = time.time() if now is None else now
    start, end = time.localtime(begin), time.localtime(begin + seconds)
    if start[:3] == end[:3]:
        return time.strftime("%H:%M", end)
    return time.strftime("%a %H:%M" if seconds < 6 * 86_400 else "%Y-%m-%d %H:%M", end)


def clock(seconds: float) -> str:
    """`1:02:03` or `2:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


UNITS = {"s": 1, "min": 60, "h": 3600, "days": 86_400}


def seconds_of(text: str) -> float:
    """The seconds of what `rough` writes: 12600 of `3.5 h`."""
    amount, unit = text.split()
    return float(amount) * UNITS[unit]


def rough(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    for limit, unit, name in ((100, 1, "s"), (5400, 60, "min")):
        if seconds < limit:
            return f"{max(1, round(seconds / unit))} {name}"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def size(amount: float) -> str:
    """`850 kB`, `12 MB`, `1.3 GB`: decimal units, as disks are sold and `df -H` shows."""
    for limit, unit, digits in ((1e6, "kB", 0), (1e8, "MB", 1), (1e9, "MB", 0), (1e12, "GB", 1)):
        if amount < limit:
            divisor = {"kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
            return f"{amount / divisor:.{digits}f} {unit}"
    return f"{amount / 1e12:.1f} TB"


def plan_lines(*, videos: VideoLengths, test_videos: int, steps: Steps, memory: Memory, disk: Disk, folder: str) -> Sequence[str]:
    """The four lines on what the run needs."""
    return (video_words(videos, test_videos=test_videos), step_words(steps), memory_words(memory), disk_words(disk, folder=folder))
