from __future__ import annotations

import platform
import subprocess
import sys
import time

import pytest
import torch
from tests.user_environment import user_environment

from vclr_pl.runner.precision_probe import BFLOAT16, FLOAT32, Rates, Seconds, processor_rates

CHOOSE = "from vclr_pl.runner.precision_probe import processor_rates; print(processor_rates().faster)"


@pytest.mark.parametrize(
    ("product", "convolution", "chosen"),
    [
        (107 / 72, 3.49 / 2.71, FLOAT32),  # an Intel processor with avx512_bf16 and no AMX, as measured: bfloat16 is slower in both
        (0.5, 0.6, BFLOAT16),
        (0.97, 0.95, FLOAT32),  # not worth its digits
        (0.5, 1.5, FLOAT32),  # a step of training is mostly convolutions
    ],
)
def test_the_faster_one_is_chosen(product, convolution, chosen):
    float32 = Seconds(product=1e-3, convolution=4e-3)
    bfloat16 = Seconds(product=product * 1e-3, convolution=convolution * 4e-3)
    assert Rates(float32=float32, bfloat16=bfloat16).faster == chosen


def hand_timed(dtype: torch.dtype) -> float:
    """Seconds of the fastest of a few passes through two convolutions, on one thread."""
    layers = torch.nn.Sequential(torch.nn.Conv2d(32, 64, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(64, 64, 1))
    layers = layers.to(memory_format=torch.channels_last, dtype=dtype)
    images = torch.ones(4, 32, 28, 28, dtype=dtype).to(memory_format=torch.channels_last)
    seconds = []
    for _ in range(6):
        started = time.thread_time()
        layers(images).sum().backward()
        seconds.append(time.thread_time() - started)
    return min(seconds)


def test_it_is_the_faster_one_by_the_clock():
    ratio = hand_timed(torch.float32) / hand_timed(torch.bfloat16)
    if ratio > 1.5:
        assert processor_rates().faster == BFLOAT16
    elif ratio < 0.8:
        assert processor_rates().faster == FLOAT32
    assert processor_rates().faster in (BFLOAT16, FLOAT32)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN is told to be an older x86 processor")
def test_a_processor_without_bfloat16_computes_float32(tmp_path):
    environment = user_environment(home=tmp_path, ONEDNN_MAX_CPU_ISA="AVX512_CORE")
    ended = subprocess.run([sys.executable, "-c", CHOOSE], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == FLOAT32


def test_it_is_measured_once_and_leaves_no_trace():
    draws, threads = torch.get_rng_state(), torch.get_num_threads()
    found = processor_rates()
    assert processor_rates() is found
    assert torch.equal(torch.get_rng_state(), draws)
    assert torch.get_num_threads() == threads
    assert found.in_words.count("GFLOP/s") == 2


def test_rates_are_operations_by_seconds():
    # 2 x 384^3 = 0.1132 billion; 2 images x 28 x 28 x 64 x 64 x 9 x 2 operations x 3 passes = 0.3468 billion
    assert Seconds(product=1e-3, convolution=1e-3).in_words == "113 and 347 GFLOP/s"
