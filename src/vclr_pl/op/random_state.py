"""The global random generators of a training step."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_generators(*, seed: int, batch: int, rank: int) -> None:
    """Seed those of torch, NumPy and Python by the number of the batch: dropout is the same in a run that was interrupted, without state.

    Args:
        batch: batches of this rank since the start of the run.
    """
    value = int(np.random.SeedSequence((seed, batch, rank)).generate_state(1)[0])  # torch on a CPU uses 32 bits of a seed
    torch.manual_seed(value)
    np.random.seed(value)
    random.seed(value)
