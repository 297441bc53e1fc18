"""`python -m vclr_pl.reproduce`: do the runs of a table of the paper, and show our figures beside the published ones.

Exit status 0 when all runs have finished, 1 when one has failed, 2 for bad usage, 143 or 130 after SIGTERM or Ctrl-C.
"""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.run import run

FAILED_RUNS_EXIT_CODE = 1


def reproduce(config: DictConfig) -> int:
    """Do the command's work, once the config is composed and its keys are known; returns the exit code."""
    from vclr_pl.command import reproduction  # it is not needed for help and refusals

    return FAILED_RUNS_EXIT_CODE if reproduction.reproduce(config).failed else 0


def main() -> None:
    sys.exit(run(reproduce, config_name="reproduce"))


if __name__ == "__main__":
    main()
