"""Video Contrastive Learning with Global Context, as PyTorch Lightning modules."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vclr_pl.features.encoder import load_encoder

__all__ = ["load_encoder"]


def _concerns_drawing(record: logging.LogRecord) -> bool:
    """False for the messages on matplotlib's cache folder that its import gives: Lightning imports it and draws nothing."""
    return not any(part in record.getMessage() for part in ("temporary cache directory", "mkdir -p failed for path"))


logging.getLogger("matplotlib").addFilter(_concerns_drawing)


def __getattr__(name: str) -> Any:
    if name == "load_encoder":
        # Only when asked for: `python -m vclr_pl` and every import of a part would else wait seconds for torchvision.
        from vclr_pl.features.encoder import load_encoder

        return load_encoder
    raise AttributeError(f"module 'vclr_pl' has no attribute '{name}'")
