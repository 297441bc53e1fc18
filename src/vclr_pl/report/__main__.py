"""Compare runs: a table of their results, and, as HTML, their curves over one another."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import rich

from vclr_pl.files import drop_output, in_words, write_whole
from vclr_pl.report.compared_runs import ComparedRun, over_seeds, read_runs, with_metrics
from vclr_pl.report.comparison import comparison_markdown
from vclr_pl.report.comparison_page import comparison_html
from vclr_pl.report.comparison_table import print_comparison
from vclr_pl.text import print_readable, readable
from vclr_pl.types import InputError

BAD_INPUT_EXIT_CODE = 2
EXAMPLES = """examples:
  # every run below runs/
  python -m vclr_pl.report runs
  # two metrics of two runs
  python -m vclr_pl.report runs/demo/A runs/demo/B --metrics retrieval_r1,knn_top1
  # seeds together: mean and 95% interval over the seeds
  python -m vclr_pl.report runs --group-by seed
  # a page with the table and the curves of the runs over one another
  python -m vclr_pl.report runs --output comparison.html"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or write it to `--output`. The exit code is 2 if there are no results."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m vclr_pl.report", description=__doc__, epilog=EXAMPLES, formatter_class=plain)
    parser.add_argument("runs", nargs="+", help="run folders, results.json files, or folders of runs at any depth")
    parser.add_argument("--metrics", help="metrics in results.json, separated by commas; default: all")
    parser.add_argument("--group-by", choices=["seed"], help="runs that differ in the seed alone become one row: mean and interval")
    parser.add_argument("--output", help="file to write: a page with curves if it ends in .html, else Markdown; default: print a table")
    chosen = parser.parse_args(arguments)
    print_readable()
    try:
        runs = read_runs(chosen.runs)
        runs = runs if chosen.metrics is None else with_metrics(runs, chosen.metrics.split(","))
        runs = over_seeds(runs) if chosen.group_by == "seed" else runs
        if chosen.output is None:
            _print(runs)
            return 0
        path = Path(chosen.output)
        write_whole(path, readable(comparison_html(runs) if path.suffix.lower() in (".html", ".htm") else comparison_markdown(runs)))
        print(path, flush=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT_EXIT_CODE
    except OSError as error:
        drop_output()
        print(f"error: {in_words(error)}", file=sys.stderr)
        return BAD_INPUT_EXIT_CODE
    return 0


def _print(runs: Sequence[ComparedRun]) -> None:
    """A table on a terminal, Markdown into a file or another program."""
    console = rich.get_console()
    if console.is_terminal:
        print_comparison(runs, title="percent", console=console)
    else:
        print(comparison_markdown(runs), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
