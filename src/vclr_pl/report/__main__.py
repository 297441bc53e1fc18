"""Compare runs: a table of their results, and, as HTML, their curves over one another."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import rich

from vclr_pl.files import drop_output, in_words, write_whole
from vclr_pl.report.compared_curves import golden_comparisons
from vclr_pl.report.compared_runs import ComparedRun, over_seeds, read_runs, with_metrics
from vclr_pl.report.comparison import comparison_markdown
from vclr_pl.report.comparison_page import comparison_html
from vclr_pl.report.comparison_table import print_comparison
from vclr_pl.text import print_readable, readable
from vclr_pl.types import InputError

OUTSIDE_EXIT_CODE = 1
BAD_INPUT_EXIT_CODE = 2
EXAMPLES = """examples:
  # every run below runs/
  python -m vclr_pl.report runs
  # two metrics of two runs
  python -m vclr_pl.report runs/demo/A runs/demo/B --metrics retrieval_r1,knn_top1
  # seeds together: mean and 95% interval over the seeds
  python -m vclr_pl.report runs --group-by seed
  # several seeds and tasks of evaluate or compare: differences from a method, paired by seed and query; tables and a figure
  python -m vclr_pl.report runs/ablation --paired-with VCLR --output ablation
  # a page with the table and the curves of the runs over one another
  python -m vclr_pl.report runs --output comparison.html
  # a run against golden curves; the exit code is 1 if it is outside their bounds
  python -m vclr_pl.report runs/demo/A tests/golden/vclr_composition.json --output comparison.html"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or write it to `--output`. The exit code is 1 if a run is outside the bounds of golden curves, and 2
    if there are no results.
    """
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m vclr_pl.report", description=__doc__, epilog=EXAMPLES, formatter_class=plain)
    parser.add_argument("runs", nargs="+", help="run folders, results.json files, files of golden curves, or folders of runs at any depth")
    parser.add_argument("--metrics", help="metrics in results.json, separated by commas; default: all")
    over_seeds_of = parser.add_mutually_exclusive_group()
    over_seeds_of.add_argument("--group-by", choices=["seed"], help="runs that differ in the seed alone become one row: mean and interval")
    paired = "means over seeds, and differences from METHOD paired by task, seed and query, with intervals over seeds and videos"
    over_seeds_of.add_argument("--paired-with", metavar="METHOD", help=paired)
    output = "file to write: a page with curves if it ends in .html, else Markdown; with --paired-with a folder of ablation.md, .csv, .json"
    parser.add_argument("--output", help=f"{output} and .svg; default: print a table")
    chosen = parser.parse_args(arguments)
    print_readable()
    try:
        if chosen.paired_with is not None:
            _report_pairs(chosen)
            return 0
        runs = read_runs(chosen.runs)
        runs = runs if chosen.metrics is None else with_metrics(runs, chosen.metrics.split(","))
        runs = over_seeds(runs) if chosen.group_by == "seed" else runs
        against = golden_comparisons(runs)
        if chosen.output is None:
            _print(runs)
        else:
            path = Path(chosen.output)
            write_whole(path, readable(comparison_html(runs) if path.suffix.lower() in (".html", ".htm") else comparison_markdown(runs)))
            print(path, flush=True)
        for pair in against:
            print("\n".join([pair.verdict, *(f"  {deviation}" for deviation in pair.outside)]), flush=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT_EXIT_CODE
    except OSError as error:
        drop_output()
        print(f"error: {in_words(error)}", file=sys.stderr)
        return BAD_INPUT_EXIT_CODE
    return OUTSIDE_EXIT_CODE if any(pair.outside for pair in against) else 0


def _report_pairs(chosen: argparse.Namespace) -> None:
    from vclr_pl.report.ablation import ablation  # NumPy and the bootstrap, for this option only
    from vclr_pl.report.ablation_cells import read_cells  # it imports NumPy too
    from vclr_pl.report.ablation_files import ablation_markdown, write_ablation  # and so does this

    cells, left_out = read_cells(chosen.runs, metrics=None if chosen.metrics is None else chosen.metrics.split(","))
    if left_out:
        print(f"results without outcomes of queries are left out: {left_out} (of train, or older files)", file=sys.stderr)
    found = ablation(cells, reference=chosen.paired_with)
    if chosen.output is None:
        print(ablation_markdown(found), end="", flush=True)
    else:
        for path in write_ablation(Path(chosen.output), found):
            print(path, flush=True)


def _print(runs: Sequence[ComparedRun]) -> None:
    """A table on a terminal, Markdown into a file or another program."""
    console = rich.get_console()
    if console.is_terminal:
        print_comparison(runs, title="percent", console=console)
    else:
        print(comparison_markdown(runs), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
