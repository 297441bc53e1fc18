"""Files of an ablation: Markdown with two tables a metric, CSV with a line a cell, JSON, and the figure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from vclr_pl.files import write_csv, write_whole
from vclr_pl.report.ablation import Ablation, AblationCell, Estimate
from vclr_pl.report.ablation_figure import ablation_svg
from vclr_pl.report.tables import metric_title
from vclr_pl.text import readable, readable_content

NAME = "ablation"
NOTHING = "-"


def write_ablation(folder: Path, found: Ablation) -> list[Path]:
    """Write `ablation.md`, `ablation.csv`, `ablation.json` and `ablation.svg` into the folder; return their paths."""
    files = [folder / f"{NAME}.{ending}" for ending in ("md", "csv", "json", "svg")]
    write_whole(files[0], readable(ablation_markdown(found, figure=files[3].name)))
    write_csv(files[1], _header(found), (_line(found, cell) for cell in found.cells))
    write_whole(files[2], json.dumps(readable_content(ablation_content(found)), indent=2) + "\n")
    write_whole(files[3], readable(ablation_svg(found)))
    return files


def ablation_markdown(found: Ablation, *, figure: str | None = None) -> str:
    """A table of means and one of differences for each metric of `found.metrics`, with tasks as columns.

    Args:
        figure: file name of the figure, which becomes the first line.
    """
    words = f"Differences from {found.reference} in points, by task and method; the tables below have the numbers"
    parts = [] if figure is None else [f"![{_escaped(words)}]({figure})"]
    for metric in found.metrics:
        parts += [f"### {metric_title(metric)}", f"Percent. {_about_means(found)}", _table(found, metric, _mean, with_chance=True)]
        if len(found.methods) > 1:
            parts += [f"Difference from {_escaped(found.reference)} in points. {_about_differences(found)}"]
            parts += [_table(found, metric, _difference, with_chance=False)]
    return "\n\n".join(parts) + "\n"


def over(found: Ablation) -> str:
    """What the intervals are over."""
    return "videos (one seed)" if found.most_seeds == 1 else f"seeds and videos ({found.most_seeds} seeds)"


def _about_means(found: Ablation) -> str:
    mean = "" if found.most_seeds == 1 else "Mean over seeds; "
    return f"{mean}in parentheses the {found.level_percent:g}% interval over {over(found)}.{_fewer_seeds(found)}"


def _about_differences(found: Ablation) -> str:
    paired = "query" if found.most_seeds == 1 else "seed and query"
    return f"Paired by {paired}; bold: the {found.level_percent:g}% interval does not contain 0."


def _fewer_seeds(found: Ablation) -> str:
    """Which cells have fewer seeds than the others."""
    few = [f"{cell.method} on {cell.task} {len(cell.seeds)}" for cell in found.cells if len(cell.seeds) < found.most_seeds]
    return f" Fewer seeds: {', '.join(map(_escaped, dict.fromkeys(few)))}." if few else ""


def _table(found: Ablation, metric: str, text: Callable[[AblationCell, str], str], *, with_chance: bool) -> str:
    tasks = [task for task in found.tasks if any(metric in cell.means for cell in found.cells if cell.task == task)]
    several = len(found.poolings) > 1
    head = ["method", *(["pooling"] if several else []), *tasks]
    lines = ["| " + " | ".join(map(_escaped, head)) + " |", "|---|" + "---|" * several + "---:|" * len(tasks)]
    for method in found.methods if with_chance else found.methods[1:]:
        for pooling in found.poolings:
            cells = [found.of(task, method, pooling) for task in tasks]
            if any(cells):
                texts = [NOTHING if cell is None else text(cell, metric) for cell in cells]
                lines.append("| " + " | ".join([_escaped(method), *([pooling] if several else []), *texts]) + " |")
    if with_chance and any(texts := [chance_of(found, task, metric) for task in tasks]):
        lines.append("| " + " | ".join(["chance", *([""] if several else []), *(of or NOTHING for of in texts)]) + " |")
    return "\n".join(lines)


def chance_of(found: Ablation, task: str, metric: str) -> str:
    """`10.0`, or `45.2 (evenly spaced proposals)`; empty if unknown."""
    for cell in found.cells:
        if cell.task == task and metric in cell.chance:
            return f"{cell.chance[metric]:.1f}" + ("" if cell.chance_name == "chance" else f" ({cell.chance_name})")
    return ""


def _mean(cell: AblationCell, metric: str) -> str:
    return _text(cell.means[metric], "{:.1f}") if metric in cell.means else NOTHING


def _difference(cell: AblationCell, metric: str) -> str:
    if metric not in cell.differences:
        return NOTHING
    text = _text(cell.differences[metric], "{:+z.1f}")
    return f"**{text}**" if cell.differences[metric].is_clear else text


def _text(of: Estimate, form: str) -> str:
    ends = "" if of.low is None or of.high is None else f" ({of.low:z.1f} to {of.high:z.1f})"
    return form.format(of.value) + ends


def _header(found: Ablation) -> list[str]:
    ends = ("", "_low", "_high", "_difference", "_difference_low", "_difference_high", "_chance")
    return ["task", "method", "pooling", "seeds", "paired_seeds", "queries", *(f"{name}{end}" for name in _all(found) for end in ends)]


def _all(found: Ablation) -> list[str]:
    """All metrics, also those without an interval."""
    return list(dict.fromkeys([*found.metrics, *(name for cell in found.cells for name in cell.means)]))


def _line(found: Ablation, cell: AblationCell) -> list[object]:
    line: list[object] = [cell.task, cell.method, cell.pooling, " ".join(cell.seeds), " ".join(cell.paired_seeds), cell.queries]
    return [*line, *(figure for name in _all(found) for figure in _figures(cell, name))]


def _figures(cell: AblationCell, name: str) -> Iterator[str]:
    for of in (cell.means.get(name), cell.differences.get(name)):
        yield from ["" if figure is None else f"{figure:.4f}" for figure in ((None,) * 3 if of is None else (of.value, of.low, of.high))]
    yield f"{cell.chance[name]:.4f}" if name in cell.chance else ""


def ablation_content(found: Ablation) -> dict[str, object]:
    """The content of the JSON file: the arguments, and the cells with `value`, `low` and `high` of each mean and difference."""
    return asdict(found)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[").replace("]", "\\]").replace("\n", " ")
