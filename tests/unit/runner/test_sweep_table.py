from __future__ import annotations

import re

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from vclr_pl.report.record import ResultRecord, write_record
from vclr_pl.runner.sweep_table import SweepTable


def ended(folder, *jobs):
    """The table after jobs of (overrides, status, seed, R@1)."""
    table = SweepTable()
    table.on_multirun_start(OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}}))
    for number, (overrides, status, seed, recall) in enumerate(jobs):
        record = ResultRecord(
            name="demo", metrics={"retrieval_r1": recall}, baseline={"retrieval_r1": 20.0}, provenance={"seed": seed}, timings_seconds={}
        )
        write_record(record, folder / str(number) / "results.json")  # a job may fail after it has written
        config = OmegaConf.create({"hydra": {"runtime": {"output_dir": str(folder / str(number))}}, "plan": False})
        table.on_job_end(config, JobReturn(overrides=overrides, status=status))
    return table


def test_every_job_has_its_row_also_before_the_end(tmp_path, capsys):
    done, failed = JobStatus.COMPLETED, JobStatus.FAILED
    table = ended(tmp_path, (["objective=vclr", "a=1"], done, 0, 50.0), (["objective=seco", "a=1", "seed=3"], failed, 3, 60.0))
    assert (tmp_path / "sweep_table.md").read_text().splitlines() == [
        "| run | retrieval R@1 | experiment | objective | seed |",
        "|---|---:|---|---|---|",
        "| 0, random initialization | 20.0 | demo |  | 0 |",
        "| 0: experiment=demo, objective=vclr, seed 0 | 50.0 | demo | vclr | 0 |",
        "| 1: objective=seco, seed 3, failed | - |  | seco | 3 |",
    ]
    table.on_multirun_end(OmegaConf.create({}))
    shown = capsys.readouterr().out
    assert re.search(r"1, failed +│ +│ seco", shown)
    assert f"python -m vclr_pl.report {tmp_path} --output {tmp_path / 'comparison.html'}" in shown.replace("\n", "")


def test_seeds_have_a_second_table(tmp_path, capsys):
    """40, 44 and 48: mean 44, standard error 2.31, Student's t of two degrees of freedom 4.303: 44 +- 9.9."""
    jobs = [
        ([f"a={number}", f"seed={seed}"], JobStatus.COMPLETED, seed, 40.0 + 4 * seed + number) for number in (0, 1) for seed in (0, 1, 2)
    ]
    table = ended(tmp_path, *jobs)
    text = (tmp_path / "sweep_table.md").read_text()
    assert "mean over seeds, and its 95% interval:" in text
    assert "| 0 and 2 more: a=0 | 44.0 (34.1 to 53.9) | 0 |" in text
    table.on_multirun_end(OmegaConf.create({}))
    assert "44.0 (34.1 to 53.9)" in capsys.readouterr().out


def test_a_sweep_whose_jobs_all_fail(tmp_path):
    ended(tmp_path, (["a=1"], JobStatus.FAILED, 0, 1.0), (["a=2"], JobStatus.FAILED, 0, 1.0))
    assert (tmp_path / "sweep_table.md").read_text().splitlines()[2:] == ["| 0: a=1, failed | 1 |", "| 1: a=2, failed | 2 |"]


def test_plans_and_a_single_run_have_no_table(tmp_path):
    table = SweepTable()
    config = OmegaConf.create({"hydra": {"runtime": {"output_dir": str(tmp_path)}}, "plan": True})
    table.on_job_end(config, JobReturn(overrides=["a=1"], status=JobStatus.COMPLETED))
    table.folder = tmp_path
    table.on_job_end(config, JobReturn(overrides=["a=1"], status=JobStatus.COMPLETED))
    assert table.jobs == []
