"""Where expected numbers lie, and what it means to agree with them."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "VCLR_PARITY_FIXTURES"


def fixtures_with(*keys: str) -> dict[str, dict[str, Any]]:
    """Every JSON file here, and in the folder that VCLR_PARITY_FIXTURES names, that has one of the top-level keys."""
    folders = [Path(__file__).parent]
    if os.environ.get(FOLDER_VARIABLE):
        folders.append(Path(os.environ[FOLDER_VARIABLE]))
    contents = {str(path): json.loads(path.read_text()) for folder in folders for path in sorted(folder.glob("*.json"))}
    return {path: content for path, content in contents.items() if any(key in content for key in keys)}


def assert_agrees(actual: Any, expected: Any, *, relative: float, where: str) -> None:
    """Compare what `expected` holds: summaries of tensors entry by entry, numbers, and mappings of these."""
    if isinstance(expected, dict) and {"shape", "norm"} <= expected.keys():
        _assert_summary(actual, expected, relative=relative, where=where)
    elif isinstance(expected, dict):
        for key, value in expected.items():
            assert_agrees(actual[key], value, relative=relative, where=f"{where}.{key}")
    else:
        assert math.isclose(actual, expected, rel_tol=relative, abs_tol=1e-300), f"{where}: {actual} for {expected}"


def _assert_summary(actual: dict[str, Any], expected: dict[str, Any], *, relative: float, where: str) -> None:
    """Entries are measured against themselves or, near zero, against the tensor's root mean square; the sum against the norm."""
    assert actual["shape"] == expected["shape"], f"{where}: shape {actual['shape']} for {expected['shape']}"
    count = math.prod(expected["shape"])
    typical = expected["norm"] / math.sqrt(count)
    assert math.isclose(actual["norm"], expected["norm"], rel_tol=relative, abs_tol=1e-300), f"{where}: norm"
    assert abs(actual["sum"] - expected["sum"]) <= relative * max(abs(expected["sum"]), expected["norm"]), f"{where}: sum"
    for part in ("head", "tail"):
        assert len(actual[part]) == len(expected[part]), f"{where}.{part}"
        for place, (own, published) in enumerate(zip(actual[part], expected[part], strict=True)):
            assert math.isclose(own, published, rel_tol=relative, abs_tol=relative * typical), (
                f"{where}.{part}[{place}]: {own} for {published}"
            )
