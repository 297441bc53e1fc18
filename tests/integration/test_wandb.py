"""`logger=wandb` as a user runs it who has no key: in a process of its own, for wandb reads its surroundings once a process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.test_train import SMALL
from tests.integration.wandb_file import records_of
from tests.user_environment import user_environment

from vclr_pl.report.wandb_dashboard import SECTIONS, STEP

SHORT = [*SMALL, "trainer.max_epochs=1", "trainer.limit_train_batches=2", "evaluation.enabled=false"]
ONCE = ["callback.knn_monitor.every_n_epochs=0", "callback.backbone_export=null"]
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" "$1" && shift && exec "$@"'


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wandb") / "data"


def trained(
    data: Path, folder: Path, *, home: Path | None, before: list[str] | None = None, more: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [*(before or []), sys.executable, "-m", "vclr_pl.train", "logger=wandb", *SHORT, *ONCE]
    command += [f"paths.data={data}", f"hydra.run.dir={folder / 'run'}", *(more or [])]
    (folder / "work").mkdir()
    return subprocess.run(
        command, cwd=folder / "work", env=user_environment(home=home), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def assert_kept(folder: Path, ended: subprocess.CompletedProcess[str]) -> Path:
    """The run ended well, told once how to sync, printed nothing of wandb's workings, and lies in its folder."""
    shown = ended.stdout + ended.stderr
    assert ended.returncode == 0, shown
    assert shown.count("W&B has no API key: the run stays offline; later: `wandb login`, then `wandb sync ") == 1
    assert "Traceback" not in shown
    assert "ERROR" not in shown
    assert "WARNING" not in shown
    assert "atplotlib" not in shown
    assert (folder / "run" / "results.json").is_file()
    assert list((folder / "work").iterdir()) == []  # nothing beside the run folder
    (kept,) = (folder / "run" / "wandb").glob("offline-run-*")
    assert f"wandb sync {folder / 'run'}/wandb/offline-run-*" in shown
    return kept


def test_without_a_home_the_run_is_kept_and_found_by_wandb_sync(data, tmp_path):
    kept = assert_kept(tmp_path, trained(data, tmp_path, home=None))
    assert list(kept.rglob("media/images/*.png"))
    stored = b"".join(path.read_bytes() for path in kept.glob("*.wandb"))  # names in it are plain UTF-8
    assert b"demo data.train_videos_per_class=2 " in stored  # the title: the experiment and its options
    assert (tmp_path / "run" / "metrics.csv").exists()
    # wandb's own program lists what it would send; older ones do so without an option, and ask for some key first.
    environment = user_environment(home=tmp_path, WANDB_API_KEY="0" * 40)
    program = [sys.executable, "-m", "wandb", "sync"]
    shown = subprocess.run([*program, "--help"], env=environment, capture_output=True, text=True).stdout
    command = [*program, "--dry-run", str(kept)] if "--dry-run" in shown else program
    listed = subprocess.run(command, cwd=tmp_path / "run", env=environment, capture_output=True, text=True)
    assert listed.returncode == 0
    assert kept.name in listed.stdout + listed.stderr


def test_a_read_only_home_is_no_hindrance(data, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    before: list[str] = []
    if os.geteuid() == 0:  # whom permissions do not bind
        unshare = shutil.which("unshare")
        if unshare is None or subprocess.run([unshare, "--mount", "true"], capture_output=True).returncode:
            pytest.skip("this root may not mount anything")
        before = [unshare, "--mount", "sh", "-c", READ_ONLY, "sh", str(home)]
    else:
        home.chmod(0o500)
    assert_kept(tmp_path, trained(data, tmp_path, home=home, before=before))
    assert list(home.iterdir()) == []


def test_the_runs_file_has_a_point_for_every_logged_step(data, tmp_path):
    """Read offline: the losses of every step, the relation of all metrics to the step, and metrics for every panel of pretraining."""
    kept = assert_kept(tmp_path, trained(data, tmp_path, home=None, more=["trainer.limit_train_batches=5"]))
    (path,) = kept.glob("*.wandb")
    records = records_of(path)
    history = [{".".join([item.key, *item.nested_key]).strip("."): item.value_json for item in r.history.item} for r in records]
    steps = [int(row[STEP]) for row in history if "train/loss" in row]
    assert steps == [0, 1, 2, 3, 4]
    related = [
        (record.metric.glob_name or record.metric.name, record.metric.step_metric) for record in records if record.HasField("metric")
    ]
    assert ("*", STEP) in related
    logged = {name for row in history for name in row}
    of_pretraining = [panel for section, panels in SECTIONS.items() for panel in panels if section != "Results"]
    for panel in of_pretraining:
        assert any(name in panel.metrics or (panel.pattern and re.fullmatch(panel.pattern, name)) for name in logged), panel
