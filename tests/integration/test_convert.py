"""`python -m vclr_pl.convert` from one form into another, and there and back around a step of training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.features.pretrained_file import write_run
from tests.unit.features.written_recognizer import RESNET18, SHIFT, write_recognizer
from tests.unit.weights.published_file import published_tensors, resnet_module, write_moco, write_release

from vclr_pl.convert import convert
from vclr_pl.features.encoder import load_encoder
from vclr_pl.runner.run import run
from vclr_pl.weights.pretraining import LightningCheckpoint


def command(*arguments: str) -> int:
    return run(convert, config_name="convert", arguments=arguments)


def test_a_published_file_becomes_a_checkpoint_a_backbone_and_itself_again(tmp_path: Path) -> None:
    tensors = published_tensors(resnet_module())
    write_release(tmp_path / "vclr.pth", tensors)
    assert command("from=vclr_release", f"input={tmp_path}/vclr.pth", "to=lightning", f"output={tmp_path}/new/vclr.ckpt") == 0
    assert command("from=lightning", f"input={tmp_path}/new/vclr.ckpt", "to=vclr_release", f"output={tmp_path}/again.pth") == 0
    assert command("from=lightning", f"input={tmp_path}/new/vclr.ckpt", "to=torchvision", f"output={tmp_path}/backbone.pth") == 0
    again = torch.load(tmp_path / "again.pth", weights_only=False)["model"]
    assert list(again) == [f"module.{name}" for name in tensors]
    assert all(torch.equal(again[f"module.{name}"], tensor) for name, tensor in tensors.items())
    backbone = torch.load(tmp_path / "backbone.pth", weights_only=True)
    assert list(backbone) == [name for name in tensors if not name.startswith("fc_")]
    assert not list(tmp_path.rglob("*.unfinished"))


def test_a_published_file_trains_a_step_and_goes_back_unchanged_where_it_should_be(tmp_path: Path) -> None:
    """A step at learning rate 0: parameters stay to the bit, batch norms have counted the step's passes."""
    from tests.unit.pretrain.built import small_batch

    module = resnet_module()
    tensors = published_tensors(module)
    write_release(tmp_path / "vclr.pth", tensors)
    assert command("from=vclr_release", f"input={tmp_path}/vclr.pth", "to=lightning", f"output={tmp_path}/vclr.ckpt") == 0
    LightningCheckpoint(path=f"{tmp_path}/vclr.ckpt").load_into(module)
    optimizer = torch.optim.SGD([*module.encoder.parameters(), *module.objective.parameters()], lr=0.0)
    module.training_step(small_batch(pixels=32)).backward()
    optimizer.step()
    torch.save({"state_dict": module.state_dict()}, tmp_path / "last.ckpt")
    assert command("from=lightning", f"input={tmp_path}/last.ckpt", "to=vclr_release", f"output={tmp_path}/trained.pth") == 0
    trained = torch.load(tmp_path / "trained.pth", weights_only=False)["model"]
    assert list(trained) == [f"module.{name}" for name in tensors]
    changed = {name.rsplit(".", 1)[-1] for name, tensor in tensors.items() if not torch.equal(trained[f"module.{name}"], tensor)}
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}


def test_any_encoder_goes_to_the_other_libraries_and_between_them(tmp_path: Path) -> None:
    write_moco(tmp_path / "moco.pth", published_tensors(resnet_module()))
    assert command(f"input={tmp_path}/moco.pth", "to=mmaction2_tsm", f"output={tmp_path}/new/tsm.pth") == 0
    assert command(f"input={tmp_path}/new/tsm.pth", "to=timm", f"output={tmp_path}/timm.safetensors") == 0
    assert command(f"input={tmp_path}/timm.safetensors", "to=torchvision", f"output={tmp_path}/backbone.pth") == 0
    given = torch.load(tmp_path / "moco.pth", weights_only=True)["state_dict"]
    backbone = torch.load(tmp_path / "backbone.pth", weights_only=True)
    assert len(backbone) == 120
    assert all(torch.equal(tensor, given[f"module.encoder_q.{name}"]) for name, tensor in backbone.items())


@pytest.mark.parametrize(("form", "shift", "name"), [("mmaction2_tsm", SHIFT, "conv.net."), ("mmaction2_tsn", None, "conv.")])
def test_a_recognizer_keeps_its_classifier(form: str, shift: dict[str, int] | None, name: str, tmp_path: Path) -> None:
    network = write_recognizer(tmp_path / "run", architecture=RESNET18, shift=shift)
    assert command(f"input={tmp_path}/run", f"to={form}", f"output={tmp_path}/recognizer.pth") == 0
    state = torch.load(tmp_path / "recognizer.pth", weights_only=True)["state_dict"]
    assert torch.equal(state["cls_head.fc_cls.weight"], network.head.weight)
    assert torch.equal(state["cls_head.fc_cls.bias"], network.head.bias)
    assert torch.equal(state[f"backbone.layer3.1.conv1.{name}weight"], network.backbone.state_dict()["layer3.1.conv1.weight"])
    assert command(f"input={tmp_path}/run", "to=onnx", f"output={tmp_path}/recognizer.onnx") == 0


def test_a_run_becomes_onnx(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    run_folder = write_run(tmp_path / "run")
    assert command(f"input={run_folder}", "to=onnx", f"output={tmp_path}/new/encoder.onnx") == 0
    frames = torch.rand(3, 3, 32, 32)
    session = onnxruntime.InferenceSession(f"{tmp_path}/new/encoder.onnx", providers=["CPUExecutionProvider"])
    (features,) = session.run(None, {"frames": frames.numpy()})
    assert torch.allclose(torch.from_numpy(features), load_encoder(str(run_folder)).pooled(frames), rtol=1e-4, atol=1e-6)


def test_a_run_becomes_a_folder_to_share(tmp_path: Path) -> None:
    run_folder, shared = write_run(tmp_path / "run"), tmp_path / "shared"
    shared.mkdir()
    assert command(f"input={run_folder}", "to=hub", f"output={shared}", "form.hub.license=mit") == 0
    assert load_encoder(str(shared)).digest() == load_encoder(str(run_folder)).digest()
    assert "license: mit" in (shared / "README.md").read_text()
    assert command(f"input={shared}", "to=torchvision", f"output={tmp_path}/again.pth") == 2  # the small network has no such form


def test_a_recognizer_is_not_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_recognizer(tmp_path / "run", architecture=RESNET18, shift=None)
    assert command(f"input={tmp_path}/run", "to=hub", f"output={tmp_path}/shared") == 2
    assert "whose network a file can describe; got RecognitionNetwork" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_moco(tmp_path / "moco.pth", published_tensors(resnet_module()))
    assert command(f"input={tmp_path}/moco.pth", "to=timm", f"output={tmp_path}/moco.pth/below.pth") == 2
    assert "expected a folder; got '" in capsys.readouterr().err


def test_a_folder_is_no_file_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_moco(tmp_path / "moco.pth", published_tensors(resnet_module()))
    assert command(f"input={tmp_path}/moco.pth", "to=timm", f"output={tmp_path}") == 2
    assert "a folder. Add a file name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("from=vclr", "to=lightning"),
            r"from= one of encoder, vclr_release, moco_v2, torchvision, .*, lightning; got from=vclr\. Choose one",
        ),
        (
            ("from=moco_v2", "to=moco_v2"),
            r"to= one of vclr_release, torchvision, timm, .*, lightning, onnx, hub; got to=moco_v2\. This format can only be read",
        ),
        (("from=onnx", "to=timm"), r"from= one of encoder, .*, lightning; got from=onnx\. This format can only be written"),
        (("from=moco_v2", "to=onnx"), r"from=encoder with to=onnx; got from=moco_v2\. Remove from="),
        (("from=mmaction2_tsn", "to=timm"), r"backbone\.conv1\.conv\.weight"),
        (("to=mmaction2", "from=moco_v2"), r"got to=mmaction2\. Did you mean mmaction2_tsn or mmaction2_tsm"),
        (("from=torchvision", "to=lightning"), r"cannot be read safely"),
        (("from=lightning", "to=torchvision"), r"checkpoint of vclr_pl's pretraining"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import re

    path = tmp_path / "input.pth"
    if "from=torchvision" in arguments:
        path.write_text("no checkpoint")
    else:
        write_moco(path, published_tensors(resnet_module()))
    assert command(*arguments, f"input={path}", f"output={tmp_path}/output.pth") == 2
    error = capsys.readouterr().err
    assert re.search(told, error), error
    assert not (tmp_path / "output.pth").exists()
