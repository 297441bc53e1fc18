"""Video Contrastive Learning with Global Context, as PyTorch Lightning modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vclr_pl.embedding.frozen_encoder import load_encoder

__all__ = ["load_encoder"]


def __getattr__(name: str) -> Any:
    if name == "load_encoder":
        # Only when asked for: `python -m vclr_pl` and every import of a part would else wait seconds for torchvision.
        from vclr_pl.embedding.frozen_encoder import load_encoder

        return load_encoder
    raise AttributeError(f"module 'vclr_pl' has no attribute '{name}'")
