"""TensorBoard and MLflow, the real packages: what a user finds in their files. W&B's logger has a test file of its own."""

from __future__ import annotations

import importlib.util

import pytest

from vclr_pl.report import scalar_loggers
from vclr_pl.report.scalar_loggers import log_evaluation, mlflow_logger, summary_scalars, tensorboard_logger
from vclr_pl.types import InputError

METRICS, BASELINE, INTERVALS = {"knn_top1": 50.0, "retrieval_r1": 40.0}, {"knn_top1": 30.0}, {"knn_top1": (45.0, 55.0)}
EXPECTED = {
    "evaluation/knn_top1": 50.0,
    "evaluation/retrieval_r1": 40.0,
    "baseline/knn_top1": 30.0,
    "gain/knn_top1": 20.0,
    "interval/knn_top1_low": 45.0,
    "interval/knn_top1_high": 55.0,
}


def test_the_scalars_of_a_result():
    assert summary_scalars(metrics=METRICS, baseline=BASELINE, intervals=INTERVALS) == EXPECTED


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_missing_package_is_one_line(package, monkeypatch, tmp_path):
    find = importlib.util.find_spec
    monkeypatch.setattr(scalar_loggers.importlib.util, "find_spec", lambda name: None if name == package else find(name))
    made = {
        "tensorboard": lambda: tensorboard_logger(save_dir=str(tmp_path)),
        "mlflow": lambda: mlflow_logger(experiment="demo", name="demo", tracking_uri=None, folder=str(tmp_path)),
    }
    with pytest.raises(InputError, match=rf"the package {package}, for logger={package}; got .* Run pip install {package}"):
        made[package]()
    assert not list(tmp_path.iterdir())


def test_tensorboard_shows_scalars_and_options(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is an option: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = tensorboard_logger(save_dir=str(tmp_path))
    logger.log_hyperparams({"seed": 0, "optimizer": {"lr": 0.1}})
    for step in range(3):
        logger.log_metrics({"train/loss": 3.0 - step}, step)
    logger.finalize("success")
    log_evaluation([object(), logger], metrics=METRICS, baseline=BASELINE, intervals=INTERVALS, page=None)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(point.step, point.value) for point in events.Scalars("train/loss")] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert {name: events.Scalars(name)[0].value for name in EXPECTED} == EXPECTED
    assert {events.Scalars(name)[0].step for name in EXPECTED} == {2}
    started = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"optimizer/lr" in started
    assert "lr: 0.1" in (tmp_path / "tensorboard/hparams.yaml").read_text()


def test_mlflow_keeps_scalars_options_and_the_page(tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is an option: pip install mlflow")
    page = tmp_path / "retrieval.html"
    page.write_text("<h1>Nearest videos</h1>")
    logger = mlflow_logger(experiment="demo", name="demo seed=1", tracking_uri=None, folder=str(tmp_path / "mlflow"))
    logger.log_hyperparams({"seed": 1, "optimizer": {"lr": 0.1}, "long": "x" * 1000})
    for step in range(3):
        logger.log_metrics({"train/loss": 3.0 - step}, step)
    logger.finalize("success")
    log_evaluation([logger], metrics=METRICS, baseline=BASELINE, intervals=INTERVALS, page=page)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
    assert (run.info.run_name, run.info.status) == ("demo seed=1", "FINISHED")
    assert (run.data.params["seed"], run.data.params["optimizer/lr"]) == ("1", "0.1")
    assert {name: run.data.metrics[name] for name in EXPECTED} == EXPECTED
    assert sorted(point.step for point in client.get_metric_history(run.info.run_id, "train/loss")) == [0, 1, 2]
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["retrieval.html"]
    assert list((tmp_path / "mlflow/artifacts").rglob("retrieval.html"))


def test_mlflow_takes_the_users_server(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is an option: pip install mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'own.db'}")
    logger = mlflow_logger(experiment="demo", name="demo", tracking_uri=None, folder=str(tmp_path / "mlflow"))
    logger.log_metrics({"train/loss": 1.0}, 0)
    assert (tmp_path / "own.db").is_file()
    assert not (tmp_path / "mlflow").exists()


def test_tensorboard_hides_the_steps_that_a_restart_repeats(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is an option: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for steps, value, continued in ((range(4), 1.0, None), (range(2, 5), 2.0, 2)):
        logger = tensorboard_logger(save_dir=str(tmp_path))
        if continued is not None:
            logger.continue_from(step=continued, rows=None)
        for step in steps:
            logger.log_metrics({"train/loss": value}, step)
        logger.finalize("success")
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(point.step, point.value) for point in events.Scalars("train/loss")] == [(0, 1.0), (1, 1.0), (2, 2.0), (3, 2.0), (4, 2.0)]


def test_mlflow_continues_the_run_of_its_folder(tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is an option: pip install mlflow")
    places = {
        "experiment": "demo",
        "name": "demo",
        "tracking_uri": None,
        "folder": str(tmp_path / "mlflow"),
        "save_dir": str(tmp_path / "run"),
    }
    for step, resume in enumerate((None, "auto", None)):
        logger = mlflow_logger(**places, resume=resume)
        logger.log_hyperparams({"seed": 1, "resume": resume})
        logger.log_metrics({"train/loss": 1.0}, step)
        logger.finalize("success")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("demo").experiment_id], order_by=["start_time"])
    steps = [sorted(point.step for point in client.get_metric_history(run.info.run_id, "train/loss")) for run in runs]
    assert sorted(steps) == [[0, 1], [2]]
