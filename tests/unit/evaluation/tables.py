"""Feature tables made by hand or drawn."""

from __future__ import annotations

import torch
from torch import Tensor

from vclr_pl.types import FeatureTable


def table(features: Tensor, label: list[int] | Tensor, class_names: tuple[str, ...] = ()) -> FeatureTable:
    rows = torch.arange(len(features))
    paths = tuple(f"{row}.mp4" for row in rows.tolist())
    return FeatureTable(features=features.float(), label=torch.as_tensor(label), video_index=rows, path=paths, class_names=class_names)


def drawn_table(*, videos: int, classes: int, width: int = 8, seed: int = 0) -> FeatureTable:
    """Classes that lie around their means and overlap."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(classes, width, generator=torch.Generator().manual_seed(99))
    label = torch.arange(videos) % classes
    return table(means[label] + torch.randn(videos, width, generator=generator), label)
