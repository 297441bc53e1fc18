"""The runs of W&B and MLflow that belong to a run folder, so that a restart continues them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from vclr_pl.files import write_whole

FILE = "logged_runs.json"


def logged_run(folder: str, *, kind: str) -> str | None:
    """The id of the run that an earlier start has begun; None without one.

    Args:
        folder: the run folder.
        kind: `wandb` or `mlflow`.
    """
    return _known(folder).get(kind)


def keep_logged_run(folder: str, *, kind: str, name: str) -> None:
    """Keep `name`, the id of a run that begins."""
    write_whole(Path(folder) / FILE, json.dumps({**_known(folder), kind: name}, indent=2) + "\n")


def _known(folder: str) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        content = json.loads((Path(folder) / FILE).read_text())
        return {str(kind): str(name) for kind, name in content.items()}
    return {}
