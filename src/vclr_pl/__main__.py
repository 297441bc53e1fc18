"""`python -m vclr_pl` lists the commands; `python -m vclr_pl train ...` is `python -m vclr_pl.train ...`."""

from __future__ import annotations

import difflib
import runpy
import sys

PREFIX = "python -m vclr_pl."
COMMANDS = {
    "train": "pretrain a video encoder and evaluate it (--help shows every option)",
    "check": "read every file ahead, and list those that cannot be read",
    "prepare": "copy a data set so that it reads several times as fast",
    "evaluate": "what an encoder is worth on a data set: retrieval, kNN, linear probe, a page to look at",
    "finetune": "fine-tune an encoder, or a linear layer on it, to recognize actions, and test it",
    "embed": "one feature for each video of a folder, in files for NumPy",
    "retrieve": "the nearest videos of a collection, or its near duplicates, as CSV and a page",
    "localize": "where in untrimmed videos something happens: proposals, their figures, a page a video",
    "visualize": "what encoders look at in videos, as pictures and as videos",
    "report": "one table of many runs",
    "convert": "weights from one form into another, by name; or the network as ONNX",
}
HELP = ("-h", "--help", "help")


def main() -> None:
    """Run the command that the first argument names, or list the commands. An unknown name exits with code 2."""
    name, *arguments = sys.argv[1:] or HELP
    if name in HELP:
        width = len(PREFIX) + max(map(len, COMMANDS))
        for command, purpose in COMMANDS.items():
            print(f"{PREFIX + command:{width}}  {purpose}")
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
