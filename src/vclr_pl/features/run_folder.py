"""The file of a run folder that holds the run's encoder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

CHECKPOINT = Path("checkpoints") / "last.ckpt"
EXPORT = "backbone.safetensors"
RECOGNIZER = "recognizer.safetensors"


def file_of_run(folder: Path, *, momentum: bool) -> Path | None:
    """The recognizer, or the exported encoder if the run chose it among several, or the last checkpoint; None if there is none.

    Args:
        momentum: only a checkpoint has the momentum encoder.
    """
    if not momentum and not (folder / RECOGNIZER).is_file() and _is_chosen(folder / EXPORT):
        return folder / EXPORT
    return next((folder / name for name in (RECOGNIZER, CHECKPOINT, EXPORT, CHECKPOINT.name) if (folder / name).is_file()), None)


def _is_chosen(file: Path) -> bool:
    """True if the exported encoder is not that of the last step."""
    if not file.is_file():
        return False
    try:
        with safe_open(str(file), framework="pt") as opened:
            return bool(described_in(opened.metadata() or {}).get("chosen"))
    except (SafetensorError, ValueError):
        return False


def described_in(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Our metadata, each value in JSON. timm's files contain only `format`."""
    return {name: json.loads(text) for name, text in metadata.items() if name != "format"}
