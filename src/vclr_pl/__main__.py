"""`python -m vclr_pl` lists the commands."""

from __future__ import annotations

from vclr_pl.runner.explanation import command_text

COMMANDS = ("check", "prepare", "train", "evaluate", "embed", "retrieve", "finetune", "localize", "visualize", "convert", "report")
REPORT = "Print one table of the results of many runs."  # the one command without a file in conf/


def main() -> None:
    for name in COMMANDS:
        purpose = REPORT if name == "report" else command_text(name).summary
        print(f"python -m vclr_pl.{name:9}  {purpose}")
    print("\nAdd --help to a command for its options and examples.")


if __name__ == "__main__":
    main()
