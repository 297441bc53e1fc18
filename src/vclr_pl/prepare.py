"""`python -m vclr_pl.prepare`: copy a data set with smaller videos and keyframes close together, which read several times as fast.

Exit status 0 when every video was re-encoded, 1 when some do not decode and were kept as they are, 2 for bad usage.
"""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.run import run

KEPT_EXIT_CODE = 1


def prepare(config: DictConfig) -> int:
    """Do the command's work, once the config is composed and its keys are known; returns the exit code."""
    from vclr_pl.command import files  # it imports torch and Lightning

    return KEPT_EXIT_CODE if files.prepare(config).kept else 0


def main() -> None:
    sys.exit(run(prepare, config_name="prepare"))


if __name__ == "__main__":
    main()
