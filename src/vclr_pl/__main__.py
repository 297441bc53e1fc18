"""`python -m vclr_pl` lists the commands; `python -m vclr_pl train ...` is `python -m vclr_pl.train ...`."""

from __future__ import annotations

import difflib
import runpy
import sys

from vclr_pl.runner.explanation import command_text
from vclr_pl.runner.help import VERSION, version_line

PREFIX = "python -m vclr_pl."
COMMANDS = (
    "check",
    "prepare",
    "train",
    "evaluate",
    "compare",
    "embed",
    "retrieve",
    "finetune",
    "localize",
    "visualize",
    "convert",
    "reproduce",
    "report",
)
REPORT = "Print one table of the results of many runs."  # the one command without a file in conf/
HELP = ("-h", "--help", "help")


def main() -> None:
    """Run the command that the first argument names, or list the commands. An unknown name exits with code 2."""
    name, *arguments = sys.argv[1:] or HELP
    if name in VERSION:
        print(version_line())
        return
    if name in HELP:
        for command in COMMANDS:
            purpose = REPORT if command == "report" else command_text(command).summary
            print(f"{PREFIX}{command:9}  {purpose}")
        print("\nAdd --help to a command for its options and examples.")
        return
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"Did you mean {near[0]}?" if near else "Give one of them."
        print(f"error: expected one of {', '.join(COMMANDS)}; got {name}. {hint}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"{PREFIX}{name}", *arguments]
    runpy.run_module(f"vclr_pl.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
