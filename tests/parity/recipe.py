"""How every tensor behind the fixtures in this folder was drawn. Needs numpy and torch only.

Weights, inputs and queues are too large to ship, so they are drawn by name: a tensor called NAME in a case with
salt S holds the standard-normal draws of numpy's frozen legacy generator seeded with (crc32(NAME) + S) mod 2**32.
Draw in float64, then use as stated. All expected values were computed in float64.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch


def seed_of(name: str, salt: int) -> int:
    return (zlib.crc32(name.encode()) + salt) % 2**32


def draw(name: str, shape: tuple[int, ...], salt: int) -> torch.Tensor:
    """float64 standard-normal tensor called `name`."""
    return torch.from_numpy(np.random.RandomState(seed_of(name, salt)).standard_normal(shape))


def published_state_dict(shapes: dict[str, tuple[int, ...]], salt: int) -> dict[str, torch.Tensor]:
    """A state dict in the PUBLISHED checkpoint's key names (see README.md), values rounded to float32.

    conv and linear weights: normal * sqrt(2 / fan_in), fan_in = product of all dimensions but the first;
    batch-norm weight: 1 + 0.05 * normal; running_mean: 0.1 * normal; running_var: 1 + 0.1 * |normal|;
    every other vector (batch-norm and linear biases): 0.05 * normal; num_batches_tracked: 0.
    A vector belongs to a batch norm where its name holds "bn" or "downsample.1".
    """
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.long)
            continue
        normal = np.random.RandomState(seed_of(name, salt)).standard_normal(shape)
        if name.endswith("running_mean"):
            value = 0.1 * normal
        elif name.endswith("running_var"):
            value = 1.0 + 0.1 * np.abs(normal)
        elif len(shape) >= 2:
            value = normal * np.sqrt(2.0 / np.prod(shape[1:]))
        elif ("bn" in name or "downsample.1" in name) and name.endswith("weight"):
            value = 1.0 + 0.05 * normal
        else:
            value = 0.05 * normal
        state[name] = torch.from_numpy(np.asarray(value, dtype=np.float32))
    return state


def training_batch(config: dict, step: int, rank: int, choices: dict) -> dict[str, torch.Tensor]:
    """The tensors one rank sees in one step of a `train` case; B = config["batch"], P = config["pixels"].

    `choices` is the step's own record in the fixture. Query and key frames are in temporal order; `query_tuple` and
    `key_tuple` are what the segment and order branches receive (possibly shuffled in time).
    """
    batch, pixels, salt = config["batch"], config["pixels"], config["salt"]
    tag = lambda name: f"{name}/step{step}/rank{rank}"  # noqa: E731
    query = draw(tag("q_frames"), (batch, 3, 3, pixels, pixels), salt)
    key = draw(tag("k_frames"), (batch, 3, 3, pixels, pixels), salt)
    others = [[1, 2] if anchor == 0 else [0, 1] for anchor in choices["anchor"]]
    pick = lambda index: torch.stack([query[i, j] for i, j in enumerate(index)])  # noqa: E731
    return {
        "anchor": pick(choices["anchor"]),  # [B, 3, P, P]
        "anchor_second_view": draw(tag("anchor_second_view"), (batch, 3, pixels, pixels), salt),  # [B, 3, P, P]
        "other_frame_1": pick([pair[0] for pair in others]),  # [B, 3, P, P]
        "other_frame_2": pick([pair[1] for pair in others]),  # [B, 3, P, P]
        "query_tuple": torch.stack([query[i][p] for i, p in enumerate(choices["q_perm"])]),  # [B, 3, 3, P, P]
        "key_tuple": torch.stack([key[i][p] for i, p in enumerate(choices["k_perm"])]),  # [B, 3, 3, P, P]
        "order_label": torch.tensor(choices["order_label"]),  # [B]
    }


def initial_queue(name: str, config: dict) -> torch.Tensor:
    """`name` is "queue_inter" or "queue_segment": unit rows, [K, D]."""
    return torch.nn.functional.normalize(draw(name, (config["queue"], config["dim"]), config["salt"]), dim=-1)


def summary(tensor: torch.Tensor) -> dict:
    """What the fixtures keep of a tensor: compare each entry."""
    flat = tensor.detach().double().reshape(-1)
    return {
        "shape": list(tensor.shape),
        "sum": float(flat.sum()),
        "norm": float(flat.norm()),
        "head": flat[:6].tolist(),
        "tail": flat[-3:].tolist(),
    }
