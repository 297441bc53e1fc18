"""One table of many runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from vclr_pl.report.compared_runs import over_seeds, read_runs, with_metrics
from vclr_pl.report.comparison import comparison_markdown, run_labels
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
        "| run | retrieval R@1 | kNN top-1 | encoder |",
        "|---|---:|---:|---|",
        "| a/1 | 40.0 (30.0 to 50.0) | - | random |",
        "| b/1, random initialization | - | 5.0 |  |",
        "| b/1 | 60.0 | 5.0 |  |",
        "| b/&lt;i>\\|2 | 60.0 | - |  |",
        "",
        "The same in all rows: experiment x.",
    ]


def test_columns_are_chosen_and_a_baseline_says_what_it_is(runs: Path) -> None:
    write(runs / "c", metrics={"auc": 70.0, "ar_100": 80.0}, baseline={"auc": 60.0, "ar_100": 79.0}, baseline_name="evenly spaced")
    chosen = with_metrics(read_runs([str(runs / "b" / "1"), str(runs / "c")]), ["auc", "knn_top1"])
    assert comparison_markdown(chosen).splitlines() == [
        "| run | kNN top-1 | AUC |",
        "|---|---:|---:|",
        "| 1, random initialization | 5.0 | - |",
        "| 1 | 5.0 | - |",
        "| c, evenly spaced | - | 60.0 |",
        "| c | - | 70.0 |",
        "",
        "The same in all rows: experiment x.",
    ]
    with pytest.raises(InputError, match="auc, ar_100; got top1"):
        with_metrics(read_runs([str(runs / "c")]), ["auc", "top1"])


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
        "| run | retrieval R@1 | optimizer.lr | seed |",
        "|---|---:|---|---|",
        "| 0: lr=0.1, seed 0 | 40.0 | 0.1 | 0 |",
        "| 1: lr=0.1, seed 1 | 44.0 | 0.1 | 1 |",
        "| 2: lr=0.1, seed 2 | 48.0 | 0.1 | 2 |",
        "| 3: lr=0.2, seed 0 | **50.0** | 0.2 | 0 |",
        "",
        "The same in all rows: experiment demo.",
    ]


def test_runs_that_the_options_do_not_tell_apart_have_their_names(runs: Path) -> None:
    assert run_labels(read_runs([str(runs / "a" / "1"), str(runs / "b")])) == ["a/1", "b/1", "b/<i>|2"]


def test_a_random_initialization_that_runs_share_has_one_row_and_a_verdict_its_column(tmp_path: Path) -> None:
    for number, (seed, before, word) in enumerate([(0, 20.0, "learning"), (0, 20.0, "collapsing"), (1, 71.0, "learning")]):
        figures = {"metrics": {"knn_top1": 50.0 + number}, "baseline": {"knn_top1": before}}
        folder = write(tmp_path / str(number), **figures, provenance={"seed": seed}, training={"verdict": word})
        (folder / "config.yaml").write_text(f"# experiment=x trainer.max_epochs={6 + number // 2} backbone=resnet{18 + number // 2}\n")
    # an untrained network has a seed and a backbone, but no epochs of training, and is never the best run
    assert comparison_markdown(read_runs([str(tmp_path)])).splitlines() == [
        "| run | kNN top-1 | trainer.max_epochs | backbone | seed | verdict |",
        "|---|---:|---|---|---|---|",
        "| random initialization | 20.0 |  | resnet18 | 0 |  |",
        "| 0: max_epochs=6, backbone=resnet18, seed 0 | 50.0 | 6 | resnet18 | 0 | learning |",
        "| 1: max_epochs=6, backbone=resnet18, seed 0 | 51.0 | 6 | resnet18 | 0 | collapsing |",
        "| 2, random initialization | 71.0 |  | resnet19 | 1 |  |",
        "| 2: max_epochs=7, backbone=resnet19, seed 1 | **52.0** | 7 | resnet19 | 1 | learning |",
        "",
        "The same in all rows: experiment x.",
    ]


def test_shares_have_the_interval_of_the_run_page(tmp_path: Path) -> None:
    """Wilson's formula by hand for 136 of 150: center 89.65, reach 4.71. mAP is no share; equal bests have no mark."""
    for name in ("a", "b"):
        write(tmp_path / name, metrics={"retrieval_r1": 100 * 136 / 150, "retrieval_map": 50.0}, queries=150)
    assert comparison_markdown(read_runs([str(tmp_path)])).splitlines()[2:4] == [
        "| a | 90.7 (84.9 to 94.4) | 50.0 |",
        "| b | 90.7 (84.9 to 94.4) | 50.0 |",
    ]


@pytest.mark.parametrize(("values", "shown"), [((40.0, 60.0), "50.0"), ((99.0, 99.5, 97.0), "98.5 (95.2 to 100.0)")])
def test_two_seeds_have_no_interval_and_no_interval_leaves_the_scale(tmp_path: Path, values: tuple[float, ...], shown: str) -> None:
    for seed, recall in enumerate(values):
        folder = write(tmp_path / str(seed), metrics={"retrieval_r1": recall}, provenance={"seed": seed})
        (folder / "config.yaml").write_text(f"# experiment=demo seed={seed}\nname: x\n")
    (row,) = comparison_markdown(over_seeds(read_runs([str(tmp_path)]))).splitlines()[2:3]
    assert row.split("|")[2].strip() == shown


def test_seeds_together_have_a_mean_and_an_interval(sweep: Path) -> None:
    """40, 44 and 48: mean 44, standard error 4 / sqrt(3), Student's t of 2 degrees of freedom 4.303: 44 +- 9.94."""
    assert comparison_markdown(over_seeds(read_runs([str(sweep)]))).splitlines()[2:] == [
        "| 0 and 2 more: lr=0.1, seed 0,1,2 | 44.0 (34.1 to 53.9) | 0.1 | 0,1,2 |",
        "| 3: lr=0.2, seed 0 | **50.0** | 0.2 | 0 |",
        "",
        "The same in all rows: experiment demo.",
    ]
