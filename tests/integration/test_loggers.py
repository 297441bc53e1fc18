"""`logger=tensorboard` and `logger=mlflow` as a user types them: a point for every logged step, the options, the results."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.integration.test_train import SMALL

from vclr_pl.runner.run import run
from vclr_pl.train import train

SHORT = [*SMALL, "trainer.max_epochs=1", "callback.knn_monitor.every_n_epochs=0", "callback.backbone_export=null", "page=null"]


def trained(folder: Path, *, logger: str) -> Path:
    arguments = [*SHORT, f"logger={logger}", f"paths.data={folder / 'data'}", f"paths.runs={folder / 'runs'}"]
    assert run(train, config_name="train", arguments=[*arguments, f"hydra.run.dir={folder / 'runs/run'}"]) == 0
    return folder / "runs/run"


def expected(folder: Path) -> tuple[list[int], dict[str, float]]:
    """The steps in metrics.csv that have a loss, and the results with their gain."""
    with (folder / "metrics.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]
    results = json.loads((folder / "results.json").read_text())
    gain = {f"gain/{name}": value - results["baseline"][name] for name, value in results["metrics"].items()}
    return steps, {f"evaluation/{name}": value for name, value in results["metrics"].items()} | gain


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is an option: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = trained(tmp_path, logger="tensorboard")
    steps, results = expected(folder)
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert [point.step for point in events.Scalars("train/loss")] == steps == [0, 1, 2, 3, 4]
    assert {name: events.Scalars(name)[0].value for name in results} == pytest.approx(results, abs=1e-4)
    assert b"optimizer/lr" in events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content


def test_mlflow(tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is an option: pip install mlflow")
    folder = trained(tmp_path, logger="mlflow")
    steps, results = expected(folder)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'runs/mlflow/mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
    assert [point.step for point in client.get_metric_history(found.info.run_id, "train/loss")] == steps == [0, 1, 2, 3, 4]
    assert {name: found.data.metrics[name] for name in results} == pytest.approx(results)
    assert found.data.params["loader/batch_size"] == "4"
    assert found.info.run_name.startswith("demo data.train_videos_per_class=2 ")
