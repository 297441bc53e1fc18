"""`python -m vclr_pl.embed`: one feature for each video of a folder or list, in files that need NumPy alone."""

from __future__ import annotations

import logging
import sys

from omegaconf import DictConfig

from vclr_pl.runner.reading import build_reading
from vclr_pl.runner.run import run

logger = logging.getLogger(__name__)


def embed(config: DictConfig) -> None:
    """Write features of the training list, and of the test list where the data has one."""
    reading = build_reading(config)
    splits = reading.splits
    manifests = {name: manifest for name, manifest in (("train", splits.train), ("test", splits.test)) if manifest is not None}
    for name, manifest in manifests.items():
        below = f"/{name}" if len(manifests) > 1 else ""
        folder = reading.embed(manifest, output=None if config.output is None else f"{config.output}{below}")
        if reading.is_main_process:
            table = reading.table(folder, role="training" if name == "train" else name)
            logger.info("%s: %d features of %d numbers, %d broken videos", folder.path, len(table), folder.feature_dim, len(table.broken))


def main() -> None:
    sys.exit(run(embed, config_name="embed"))


if __name__ == "__main__":
    main()
