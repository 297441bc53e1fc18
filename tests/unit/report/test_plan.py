from __future__ import annotations

import time

import pytest

from vclr_pl.datasets.footage import Footage
from vclr_pl.report.plan import (
    Disk,
    Memory,
    Steps,
    busy_words,
    clock,
    decoding_words,
    disk_words,
    end_of_day,
    memory_words,
    rough,
    shortages,
    size,
    step_words,
    time_words,
    video_words,
)

MEMORY = Memory(network=7_100_000, queues=524_000, batches=4_600_000, workers=1, machine=16 * 10**9)
DISK = Disk(checkpoint=5_800_000, checkpoints=4, others=2_700_000, free=44 * 10**9)


def test_videos() -> None:
    whole = Footage(videos=400, read=400, total_seconds=1600.0, median_seconds=4.0, unreadable=3)
    assert video_words(whole, test_videos=150) == (
        "videos: 400 for training, 150 for testing; 26:40 of training video, median 4.0 s; "
        "3 of the 400 headers that were read have no video or no duration"
    )
    sample = Footage(videos=240_000, read=1_500, total_seconds=2_400_000.0, median_seconds=10.0)
    assert video_words(sample, test_videos=0) == (
        "videos: 240,000 for training; about 666:40:00 of training video, median 10.0 s (a sample of 1,500)"
    )
    assert "length unknown" in video_words(Footage(videos=5, read=5), test_videos=0)


def test_steps() -> None:
    assert step_words(Steps(per_epoch=12, total=864, videos_per_step=32)) == "steps: 12 an epoch, 864 in all, 32 videos a step"
    assert "864 in all, 120 of them done, 32" in step_words(Steps(per_epoch=12, total=864, videos_per_step=32, done=120))


def test_memory_and_disk() -> None:
    assert memory_words(MEMORY) == (
        "memory: 7.1 MB for network and optimizer, 524 kB for queues; 1 worker, 4.6 MB of memory for batches in advance"
    )
    on_gpu = Memory(network=10**9, queues=0, batches=None, workers=0, activations=4 * 10**9, on_gpu=True)
    assert memory_words(on_gpu) == "GPU memory: 1.0 GB for network and optimizer, about 4.0 GB for activations; no workers"
    assert disk_words(DISK, folder="runs/a") == (
        "disk: 4 checkpoints of 5.8 MB and 2.7 MB of other files, 25.9 MB in all; 44.0 GB free; writing into runs/a"
    )


def test_too_little_is_warned_of() -> None:
    assert shortages(MEMORY, DISK) == []
    short = Disk(checkpoint=5_800_000, checkpoints=4, others=2_700_000, free=31_600_000)  # 31.7 MB with a draft
    (disk,) = shortages(MEMORY, short)
    assert disk.startswith("the run needs 31.7 MB of disk and 31.6 MB are free")
    small = Memory(network=7_100_000, queues=524_000, batches=4_600_000, workers=1, machine=12_000_000)
    (memory,) = shortages(small, DISK)
    assert memory.startswith("the run needs about 12.2 MB of memory and the machine has 12.0 MB")
    gpu = Memory(network=6 * 10**9, queues=0, batches=0, workers=0, activations=3 * 10**9, on_gpu=True, gpu=8 * 10**9, machine=10**9)
    (device,) = shortages(gpu, DISK)
    assert device.startswith("the run needs about 9.0 GB of GPU memory and the GPU has 8.0 GB")


def test_time(monkeypatch: pytest.MonkeyPatch) -> None:
    noon = time.mktime((2026, 11, 30, 12, 0, 0, 0, 0, -1))
    assert time_words(seconds=720, waiting=0.4, now=noon) == (
        "about 12 min, until 12:12; reading videos limits the speed (40% of the time is waiting for videos)"
    )
    assert "the network limits the speed (5% of" in time_words(seconds=720, waiting=0.05, now=noon)
    assert [end_of_day(hours * 3600, now=noon) for hours in (11, 13, 24 * 8)] == ["23:00", "Tue 01:00", "2026-12-08 12:00"]


def test_figures() -> None:
    assert [clock(seconds) for seconds in (5, 65, 3725)] == ["0:05", "1:05", "1:02:05"]
    assert [rough(seconds) for seconds in (0, 62, 720, 12_600, 260_000)] == ["1 s", "62 s", "12 min", "3.5 h", "3.0 days"]
    assert [size(amount) for amount in (850_000, 5_840_000, 850_000_000, 1_340_000_000, 2e12)] == [
        "850 kB",
        "5.8 MB",
        "850 MB",
        "1.3 GB",
        "2.0 TB",
    ]


def test_a_busy_machine_is_told() -> None:
    assert busy_words(load=12.4, cores=2) == ["the machine is busy (load 12 on 2 cores): alone, the run is faster than measured"]
    assert busy_words(load=3.0, cores=2) == []


@pytest.mark.parametrize(
    ("seconds_per_video", "rate", "cores", "expected"),
    [
        (0.011, 64, 2, "decoding: 0.7 cores of 2, for 64 videos/s of the network and 11 ms of a core a video"),
        (0.0625, 16, 16, "decoding: 1.0 core of 16, for 16 videos/s of the network and 62 ms of a core a video"),
        (0.0023, 4000, 112, "decoding: 9.2 cores of 112, for 4000 videos/s of the network and 2.3 ms of a core a video"),
    ],
)
def test_the_cores_of_decoding(seconds_per_video: float, rate: float, cores: int, expected: str) -> None:
    assert decoding_words(seconds_per_video=seconds_per_video, videos_per_second=rate, cores=cores) == expected
