from __future__ import annotations

import random

import numpy as np
import torch

from vclr_pl.op.random_state import seed_generators


def draws() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.random()), random.random()


def test_the_draws_depend_on_seed_batch_and_rank_and_on_nothing_before():
    places = [(seed, batch, rank) for seed in (0, 2**31 - 1) for batch in (0, 1, 10**6) for rank in (0, 1)]
    found = []
    for seed, batch, rank in places:
        both = []
        for _ in range(2):
            draws()
            seed_generators(seed=seed, batch=batch, rank=rank)
            both.append(draws())
        assert both[0] == both[1]
        found.append(both[0])
    for generator in zip(*found, strict=True):
        assert len(set(generator)) == len(places)
