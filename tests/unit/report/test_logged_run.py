from __future__ import annotations

from pathlib import Path

from vclr_pl.report.logged_run import keep_logged_run, logged_run


def test_each_kind_has_its_own_run(tmp_path: Path) -> None:
    assert logged_run(str(tmp_path), kind="wandb") is None
    keep_logged_run(str(tmp_path), kind="wandb", name="1a")
    keep_logged_run(str(tmp_path), kind="mlflow", name="2b")
    keep_logged_run(str(tmp_path), kind="wandb", name="3c")
    assert [logged_run(str(tmp_path), kind=kind) for kind in ("wandb", "mlflow", "other")] == ["3c", "2b", None]


def test_a_damaged_file_names_no_run(tmp_path: Path) -> None:
    (tmp_path / "logged_runs.json").write_text('{"wandb": ')
    assert logged_run(str(tmp_path), kind="wandb") is None
