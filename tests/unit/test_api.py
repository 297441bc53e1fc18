"""The public API: its docstrings' examples on tiny videos, lazy imports, and a process that is left as it was."""

from __future__ import annotations

import doctest
import logging
import os
import pickle
import signal
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest
import pytorch_lightning as lightning
import rich
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from tests.video_fixture import copies

import vclr_pl
import vclr_pl.command.files
import vclr_pl.command.training
from vclr_pl import api

EXAMPLES = [test for test in doctest.DocTestFinder(exclude_empty=True).find(api, "api") if test.examples]
TINY = {"trainer": {"accelerator": "cpu", "precision": "32-true"}, "loader": {"workers": 0}, "backbone": "small_resnet"}


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four videos of two classes in ./videos of the working folder."""
    copies(tmp_path / f"videos/{name}/{number}.mp4" for name in ("run", "walk") for number in range(2))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "videos"


def state() -> list[object]:
    """What a call must leave as it was."""
    loggers = [logging.getLogger(name) for name in (None, "vclr_pl", "pytorch_lightning", "hydra.utils")]
    return [
        Path.cwd(),
        sys.argv,
        {name: value for name, value in os.environ.items() if not name.startswith("KMP_")},  # scikit-learn sets these at its import
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
        warnings.filters[:],
        [(logger.level, list(logger.handlers)) for logger in loggers],
        GlobalHydra.instance().hydra,
        HydraConfig.instance().cfg,
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_examples_of_the_docstrings(example, videos, monkeypatch):
    monkeypatch.setattr(rich.get_console(), "quiet", True)  # progress and tables
    before = state()
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL | doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example).failed == 0
    assert state() == before


def test_every_name_is_there_and_nothing_is_imported_for_it():
    command = (
        "import sys, vclr_pl; slow = [name for name in ('torch', 'hydra', 'omegaconf', 'numpy') if name in sys.modules]; "
        "print(slow, vclr_pl.__version__); import vclr_pl.train; from vclr_pl.train import main; "
        "print(vclr_pl.train.__module__, callable(main)); print([callable(getattr(vclr_pl, name)) for name in vclr_pl.MODULES])"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    first, second, third = done.stdout.splitlines()
    assert first == f"[] {version('vclr-pl')}"
    assert second == "vclr_pl.api True"
    assert third == str([True] * len(vclr_pl.MODULES))
    assert {*vclr_pl.__all__} == {"__version__", *vclr_pl.MODULES}
    assert {*vclr_pl.__all__} <= {*dir(vclr_pl)}
    assert (Path(str(vclr_pl.__file__)).parent / "py.typed").is_file()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"loader": {"batchsize": 3}}, "Did you mean loader.batch_size"),
        ({"overrides": ["+loader.batchsize=3"]}, "Did you mean loader.batch_size"),
        ({"experiment": "finetune/demo"}, "an experiment of train"),
        ({"data": {"root": "nowhere"}}, "nowhere"),
        ({"trainer": {"max_epochs": "ten"}}, "trainer.max_epochs of type int"),
        ({"trainer": "ddp_cpu"}, "python -m vclr_pl.train"),
    ],
)
def test_a_mistake_is_an_input_error(options, told, videos):
    before = state()
    with pytest.raises(vclr_pl.InputError, match=told) as refused:
        vclr_pl.train(**{"data": {"root": videos}, **TINY, **options})
    assert state() == before
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)


def test_an_encoder_is_evaluated_searched_and_fine_tuned(videos):
    reading = {"encoder": "random", "trainer": "cpu", "backbone": "small_resnet"}
    evaluated = vclr_pl.evaluate(**reading, data={"root": videos}, page={"neighbors": 2}, overrides=["evaluation=nearest_neighbor"])
    assert list(evaluated.metrics) == ["knn_top1", "knn_top5", "knn_mean_class"]
    assert "knn_top1" in evaluated.intervals
    assert evaluated.page is not None
    assert evaluated.page.is_file()
    assert (evaluated.folder / "evaluate.log").read_text().count("run folder") == 1
    again = vclr_pl.embed(**reading, data={"root": videos})
    assert again.features["train"] == evaluated.features["train"]
    found = vclr_pl.retrieve(**reading, gallery={"root": videos}, neighbors=2, page=None)
    assert found.table.read_text().count("\n") == 9
    assert found.page is None
    tuned = vclr_pl.finetune(
        encoder="random",
        data={"root": videos},
        trainer={"max_epochs": 1, "accelerator": "cpu", "precision": "32-true"},
        loader={"batch_size": 2, "workers": 0},
        backbone="small_resnet",
        transform={"size_pixels": 32},
    )
    assert tuned.recognizer.class_names == ("run", "walk")


def test_a_damaged_file_is_found_and_runs_of_one_second_have_two_folders(videos):
    (videos / "run/broken.mp4").write_bytes(b"no video")
    first, second = vclr_pl.check(data={"root": videos}), vclr_pl.check(data={"root": videos})
    assert [Path(path).name for path in first.unreadable] == ["broken.mp4"]
    assert (first.files, first.table != second.table) == (5, True)


def test_the_published_parts_are_fitted_by_a_plain_trainer(videos):
    data = vclr_pl.published_data(root=videos, loader={"batch_size": 2, "workers": 0}, transform={"size_pixels": 32})
    module = vclr_pl.published_module(backbone="small_resnet", queue={"inter.length": 8, "segment.length": 8})
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
    )
    before = module.encoder.backbone.state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    trainer.fit(module, data)
    assert trainer.global_step == 2
    assert any(not torch.equal(tensor, before[name]) for name, tensor in module.encoder.backbone.state_dict().items())


def test_the_figures_are_the_published_ones(videos):
    data = vclr_pl.published_data(root=videos)
    assert (data.loader.batch_size, data.transform.size_pixels, data.segments) == (32, 224, 3)
