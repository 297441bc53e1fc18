"""Annotation files in ActivityNet's form, and features to go with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def entry(subset: str = "training", duration: float = 10.0, **more: Any) -> dict[str, Any]:
    return {"subset": subset, "duration": duration, "annotations": [{"label": "jump", "segment": [1.0, 4.0]}], **more}


def write_annotations(path: Path, database: dict[str, Any], **more: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"database": database, **more}))
    return str(path)


def write_features(folder: Path, counts: dict[str, int], *, dimension: int = 3) -> Path:
    """`<identity>.npy`, as many snippets each as `counts` says."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for identity, count in counts.items():
        np.save(folder / f"{identity}.npy", generator.standard_normal((count, dimension)).astype(np.float32))
    return folder
