"""From results.json files through the command line to the table and the figure."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.unit.report.miniature_ablation import drawn, record

from vclr_pl.evaluation.scoring import Difference
from vclr_pl.report.__main__ import main
from vclr_pl.report.ablation_cells import read_cells
from vclr_pl.report.compared_encoders import EncoderComparison
from vclr_pl.report.record import ResultRecord, write_record

LEVELS = {"VCLR": 50, "SeCo": 95}


def encoder(name: str, percent: float, *, seed: int, segments: int = 1) -> ResultRecord:
    return replace(
        record(drawn(percent, seed=seed), queries=f"list of seed {seed}"),
        name=name,
        provenance={"seed": seed},
        encoder={"pooling_segments": segments, "path": "p"},
        choices={"data": "demo", "task": "order", "seed": str(seed)},
    )


def write_comparison(folder: Path, *records: ResultRecord, name: str = "compare") -> None:
    found = EncoderComparison(
        encoders=records,
        differences=[{"retrieval_r1": Difference(1.0, 0.0, 2.0)}] * len(records),
        level_percent=95,
        gallery=1,
        queries=40,
        leave_one_out=False,
        name=name,
    )
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(found.json())


def write_runs(folder: Path) -> None:
    """Two seeds of task `order` as comparisons and of task `shape` as evaluations; a training run beside them."""
    for seed in range(2):
        write_comparison(folder / f"order/{seed}", *(encoder(name, level, seed=seed) for name, level in LEVELS.items()), name="order")
        for name, level in LEVELS.items():
            evaluated = replace(encoder(name, level, seed=10 + seed), choices={"data": "demo", "task": "shape"})
            write_record(evaluated, folder / f"{name}/{seed}/results.json")
    write_record(replace(record(""), name="demo"), folder / "training" / "results.json")


def test_the_command_makes_tables_and_the_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(tmp_path / "runs")
    assert main([str(tmp_path / "runs"), "--paired-with", "VCLR"]) == 0
    told = capsys.readouterr()
    assert "| method | order | shape |" in told.out or "| method | shape | order |" in told.out
    assert told.out.count("| SeCo | **+") == 1
    assert told.err == "results without outcomes of queries are left out: 1 (of train, or older files)\n"
    assert main([str(tmp_path / "runs"), "--paired-with", "VCLR", "--output", str(tmp_path / "ablation")]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [str(tmp_path / "ablation" / f"ablation.{ending}") for ending in ("md", "csv", "json", "svg")]
    assert "order: retrieval R@1" in (tmp_path / "ablation" / "ablation.svg").read_text()
    content = json.loads((tmp_path / "ablation" / "ablation.json").read_text())
    assert {(cell["task"], cell["method"], *cell["seeds"]) for cell in content["cells"]} == {
        (task, method, *seeds) for task, seeds in (("order", ("0", "1")), ("shape", ("10", "11"))) for method in LEVELS
    }


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(tmp_path)
    for words, line in (
        ([str(tmp_path), "--paired-with", "vclr"], "error: expected a method of"),
        ([str(tmp_path), "--paired-with", "VCLR", "--metrics", "other"], "error: expected metrics of retrieval_r1; got other"),
        ([str(tmp_path), str(tmp_path), "--paired-with", "VCLR"], "error: expected one result for each task, method, pooling and seed"),
        ([str(tmp_path / "none"), "--paired-with", "VCLR"], "error: expected a run folder with results.json"),
    ):
        assert main(words) == 2
        assert line in capsys.readouterr().err.splitlines()[-1]
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--paired-with", "VCLR", "--group-by", "seed"])


def test_task_method_pooling_and_seed_of_a_file(tmp_path: Path) -> None:
    both = [encoder("VCLR, mean", 50, seed=3), encoder("VCLR, segments", 50, seed=3, segments=3)]
    write_comparison(tmp_path / "unnamed", *both)
    cells, left_out = read_cells([str(tmp_path / "unnamed")])
    assert [(cell.task, cell.method, cell.pooling, cell.seed) for cell in cells] == [
        ("order", "VCLR", "mean", "3"),
        ("order", "VCLR", "three segments", "3"),
    ]
    assert left_out == 0
    write_comparison(tmp_path / "named", encoder("VCLR", 50, seed=3), name="mine")
    (cell,) = read_cells([str(tmp_path / "named")])[0]
    assert (cell.task, cell.pooling) == ("mine", "")  # one pooling needs no name


def test_older_files_give_values_without_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = ("outcomes", "choices")
    for name, level in LEVELS.items():
        content = {key: value for key, value in asdict(encoder(name, level, seed=0)).items() if key not in new}
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(content))
    assert main([str(tmp_path), "--paired-with", "VCLR"]) == 0
    told = capsys.readouterr()
    assert "| method | videos |" in told.out
    assert " to " not in told.out.partition("| method")[2]
    assert told.err == ""
