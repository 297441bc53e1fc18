"""How many features a network of any origin has."""

from __future__ import annotations

from typing import Any

from vclr_pl.types import InputError


def feature_dim_of(backbone: Any) -> int:
    """F, which a backbone says by its attribute `feature_dim`.

    Raises:
        InputError: it says none, or no positive whole number.
    """
    width = getattr(backbone, "feature_dim", None)
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        kind = type(backbone)
        raise InputError(
            expected="a backbone with an attribute feature_dim, the number of features that it gives for a frame or a clip",
            got=f"{kind.__module__}.{kind.__qualname__} {'without it' if width is None else f'with feature_dim={width!r}'}",
            hint="Set self.feature_dim in its __init__.",
        )
    return width
