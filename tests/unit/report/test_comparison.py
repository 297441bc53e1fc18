"""One table of many runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from vclr_pl.report.comparison import comparison_markdown, differences, over_seeds, read_runs, with_metrics
from vclr_pl.report.record import ResultRecord, write_record
from vclr_pl.types import InputError


def write(folder: Path, **parts: dict[str, object]) -> Path:
    record = {"name": "x", "metrics": {}, "baseline": {}, "provenance": {}, "timings_seconds": {}, **parts}
    write_record(ResultRecord(**record), folder / "results.json")  # type: ignore[arg-type]
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write(tmp_path / "a" / "1", metrics={"retrieval_r1": 40.0}, intervals={"retrieval_r1": [30.0, 50.0]}, encoder={"origin": "random: x"})
    write(tmp_path / "b" / "1", metrics={"retrieval_r1": 60.04, "knn_top1": 5.0}, baseline={"knn_top1": 5.01})
    write(tmp_path / "b" / "<i>|2", metrics={"retrieval_r1": 60.0})
    return tmp_path


def test_markdown(runs: Path) -> None:
    assert comparison_markdown(read_runs([str(runs / "a" / "1"), str(runs / "b")])).splitlines() == [
        "| run | experiment | seed | encoder | retrieval R@1 | kNN top-1 |",
        "|---|---|---|---|---:|---:|",
        "| a/1 | x |  | random | 40.0 (30.0 to 50.0) | - |",
        "| b/1, random initialization | x |  |  | - | **5.0** |",
        "| b/1 | x |  |  | **60.0** | **5.0** |",
        "| b/&lt;i>\\|2 | x |  |  | **60.0** | - |",
    ]


def test_columns_are_chosen_and_a_baseline_says_what_it_is(runs: Path) -> None:
    write(runs / "c", metrics={"auc": 70.0, "ar_100": 80.0}, baseline={"auc": 60.0, "ar_100": 79.0}, baseline_name="evenly spaced")
    chosen = with_metrics(read_runs([str(runs / "b" / "1"), str(runs / "c")]), ["auc", "knn_top1"])
    assert comparison_markdown(chosen).splitlines() == [
        "| run | experiment | seed | kNN top-1 | AUC |",
        "|---|---|---|---:|---:|",
        "| 1, random initialization | x |  | **5.0** | - |",
        "| 1 | x |  | **5.0** | - |",
        "| c, evenly spaced | x |  | - | 60.0 |",
        "| c | x |  | - | **70.0** |",
    ]
    with pytest.raises(InputError, match="auc, ar_100; got top1"):
        with_metrics(read_runs([str(runs / "c")]), ["auc", "top1"])


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"results\.json"):
        read_runs([str(tmp_path)])
    (tmp_path / "results.json").write_text('{"other": 1}')
    with pytest.raises(InputError, match="written by this program"):
        read_runs([str(tmp_path)])


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    for number, (rate, seed, recall) in enumerate([("0.1", 0, 40.0), ("0.1", 1, 44.0), ("0.1", 2, 48.0), ("0.2", 0, 50.0)]):
        folder = write(tmp_path / str(number), metrics={"retrieval_r1": recall}, provenance={"seed": seed})
        (folder / "config.yaml").write_text(
            f"# experiment=demo optimizer.lr={rate} 'data.root=a b' seed={seed} paths.data=x{seed}\nname: x\n"
        )
    return tmp_path


def test_the_options_in_which_runs_differ_are_columns(sweep: Path) -> None:
    assert comparison_markdown(read_runs([str(sweep)])).splitlines() == [
        "| run | experiment | optimizer.lr | seed | retrieval R@1 |",
        "|---|---|---|---|---:|",
        "| 0 | demo | 0.1 | 0 | 40.0 |",
        "| 1 | demo | 0.1 | 1 | 44.0 |",
        "| 2 | demo | 0.1 | 2 | 48.0 |",
        "| 3 | demo | 0.2 | 0 | **50.0** |",
    ]
    assert differences(read_runs([str(sweep)]))[2:] == ["optimizer.lr=0.1, seed=2", "optimizer.lr=0.2, seed=0"]


def test_runs_that_the_options_do_not_tell_apart_have_their_names(runs: Path) -> None:
    assert differences(read_runs([str(runs / "a" / "1"), str(runs / "b")])) == ["a/1", "b/1", "b/<i>|2"]


def test_job_10_follows_job_9(tmp_path: Path) -> None:
    for number in range(11):
        write(tmp_path / str(number), metrics={"auc": 1.0})
    assert [run.name for run in read_runs([str(tmp_path)])][-2:] == ["9", "10"]


def test_a_random_initialization_that_runs_share_has_one_row_and_a_verdict_its_column(tmp_path: Path) -> None:
    for number, (seed, before, word) in enumerate([(0, 20.0, "learning"), (0, 20.0, "collapsing"), (1, 21.0, "learning")]):
        figures = {"metrics": {"knn_top1": 50.0 + number}, "baseline": {"knn_top1": before}}
        write(tmp_path / str(number), **figures, provenance={"seed": seed}, training={"verdict": word})
    assert comparison_markdown(read_runs([str(tmp_path)])).splitlines()[2:] == [
        "| random initialization | x | 0 |  | 20.0 |",
        "| 0 | x | 0 | learning | 50.0 |",
        "| 1 | x | 0 | collapsing | 51.0 |",
        "| 2, random initialization | x | 1 |  | 21.0 |",
        "| 2 | x | 1 | learning | **52.0** |",
    ]


def test_seeds_together_have_a_mean_and_an_interval(sweep: Path) -> None:
    """40, 44 and 48: mean 44, standard error 4 / sqrt(3), Student's t of 2 degrees of freedom 4.303: 44 +- 9.94."""
    assert comparison_markdown(over_seeds(read_runs([str(sweep)]))).splitlines()[2:] == [
        "| 0 and 2 more | demo | 0.1 | 0,1,2 | 44.0 (34.1 to 53.9) |",
        "| 3 | demo | 0.2 | 0 | **50.0** |",
    ]
