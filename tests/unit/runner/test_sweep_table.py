from __future__ import annotations

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from vclr_pl.report.record import ResultRecord, write_record
from vclr_pl.runner.sweep_table import SweepTable, named_rows

RECORD = ResultRecord(
    name="demo", metrics={"retrieval_r1": 50.0}, baseline={"retrieval_r1": 20.0}, provenance={"seed": 0}, timings_seconds={}
)


def job(folder, number, *overrides, status=JobStatus.COMPLETED):
    config = OmegaConf.create({"hydra": {"runtime": {"output_dir": str(folder / str(number))}}})
    return config, JobReturn(overrides=list(overrides), status=status)


def test_every_job_has_its_row_also_before_the_end(tmp_path, capsys):
    table = SweepTable()
    table.on_multirun_start(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    for number in ("0", "1"):
        write_record(RECORD, tmp_path / number / "results.json")  # the second job failed after it had written
    for number, (overrides, status) in enumerate(
        [(["objective=vclr", "a=1"], JobStatus.COMPLETED), (["objective=seco", "a=1"], JobStatus.FAILED)]
    ):
        config, returned = job(tmp_path, number, *overrides, status=status)
        table.on_job_end(config, returned)
    assert (tmp_path / "sweep_table.md").read_text().splitlines() == [
        "| run | retrieval R@1 |",
        "|---|---:|",
        "| random init, seed 0 | 20.0 |",
        "| objective=vclr | 50.0 |",
        "| objective=seco | failed |",
    ]
    table.on_multirun_end(OmegaConf.create({}))
    assert "objective=seco" in capsys.readouterr().out


def test_a_single_run_has_no_table(tmp_path):
    table = SweepTable()
    table.on_job_end(*job(tmp_path, 0, "a=1"))
    assert table.jobs == []


def test_rows_are_named_by_what_differs():
    assert [name for name, _ in named_rows([(["a=1", "b=2"], None), (["a=1", "b=3"], None)])] == ["b=2", "b=3"]
    assert [name for name, _ in named_rows([(["a=1"], None)])] == ["a=1"]
    assert [name for name, _ in named_rows([([], None)])] == ["default"]
