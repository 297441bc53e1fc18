"""Fresh runs stay within the bounds of the golden curves."""

from __future__ import annotations

import pytest
from tests.golden.renew import golden_of
from tests.golden.runs import CONFIGURATIONS, bounds_of, golden_file, run_configuration

from vclr_pl.report.compared_curves import curves_of
from vclr_pl.report.compared_runs import read_runs
from vclr_pl.report.golden import read_golden
from vclr_pl.report.record import ResultRecord

TERMS = ("inter_frame", "intra_frame", "segment_contrast", "temporal_order", "nearest_neighbor")


def other_versions(stored: ResultRecord, now: ResultRecord) -> str:
    """Which packages differ from those of the stored run: another torch draws other numbers, another PyAV encodes other videos."""
    versions = [record.provenance["versions"] for record in (stored, now)]
    differing = [
        f"{name} {versions[0].get(name)}, now {version}" for name, version in versions[1].items() if versions[0].get(name) != version
    ]
    return f"Made with {'; '.join(differing)}.\n" if differing else ""


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_run_repeats_its_golden_curves(tmp_path, name):
    golden = read_golden(golden_file(name))
    run_configuration(name, data=tmp_path / "data", folder=tmp_path / "run")
    (run,) = read_runs([str(tmp_path / "run")])
    deviations = golden.deviations(curves_of(run), record=run.record)
    assert {deviation.name.partition(",")[0] for deviation in deviations} == {*golden.curves, *golden.record.metrics}
    fresh = golden_of(run, name=name, command="")
    assert {name: [step for step, _ in points] for name, points in fresh.curves.items()} == {
        name: [step for step, _ in points] for name, points in golden.curves.items()
    }
    outside = "\n".join(str(deviation) for deviation in deviations if deviation.is_outside)
    assert not outside, (
        f"{outside}\n{other_versions(golden.record, run.record)}If the change is meant: make golden, and why in CHANGELOG.md."
    )


def test_every_term_has_a_golden_curve():
    found = {name for file in map(golden_file, CONFIGURATIONS) for name in read_golden(file).curves}
    assert {f"train/loss_{term}" for term in TERMS} <= found


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_files_have_the_bounds_of_today(name):
    golden = read_golden(golden_file(name))
    assert golden.bounds == bounds_of(name, [*golden.curves, *golden.record.metrics])
    assert len(golden.record.provenance["commit"]) == 40
    assert golden.made["command"].startswith("python -m vclr_pl.train experiment=demo")
