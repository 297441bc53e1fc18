"""Tensors and what is to be known of them, in a file that anyone reads without running code from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from vclr_pl.whole_file import write_whole


def write_tensors(path: Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write safetensors with `description` in its metadata, each value as JSON, in one step; and the same as JSON beside it."""
    contents = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_whole(path, save(contents, metadata={name: json.dumps(value) for name, value in description.items()}))
    write_whole(path.with_suffix(".json"), json.dumps(description, indent=2) + "\n")
