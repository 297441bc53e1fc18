"""Metrics that were measured since they were last read."""

from __future__ import annotations

from typing import Any

from torch import Tensor


class FreshMetrics:
    """Reads those values of `trainer.callback_metrics` that are new.

    A metric stays there until it is measured again. Lightning gives it as a new tensor each time, of the same memory; that of a new
    value differs, since this object keeps the old one.

    Args:
        prefix: of the names that are read.
    """

    def __init__(self, *, prefix: str) -> None:
        self.prefix = prefix
        self._known: dict[str, Tensor] = {}

    def read(self, trainer: Any) -> dict[str, float]:
        """The values that were measured since the last call, by name."""
        now = {name: value for name, value in trainer.callback_metrics.items() if name.startswith(self.prefix)}
        fresh = {name: float(value) for name, value in now.items() if not self._is_known(name, value)}
        self._known |= now
        return fresh

    def _is_known(self, name: str, value: Tensor) -> bool:
        known = self._known.get(name)
        return known is not None and known.data_ptr() == value.data_ptr()
