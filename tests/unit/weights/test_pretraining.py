from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.weights.published_file import published_tensors, resnet_module, write_moco, write_release

from vclr_pl.types import InputError
from vclr_pl.weights.pretraining import LightningCheckpoint, MocoV2, VclrRelease


def test_the_query_encoder_is_taken_and_its_head_copied_into_all_four(tmp_path: Path) -> None:
    module = resnet_module()
    tensors = published_tensors(module)
    write_moco(tmp_path / "moco.pth.tar", tensors)
    report = MocoV2(path=str(tmp_path / "moco.pth.tar")).load_into(module)
    assert [name.split(".")[-2] for name in report.missing] == ["classifier", "classifier"]
    assert report.unused == ()
    assert torch.equal(module.encoder.backbone.conv1.weight, tensors["conv1.weight"])
    for head in ("inter", "intra", "order", "segment"):
        assert torch.equal(module.encoder.heads[head][0].weight, tensors["fc_inter.0.weight"])
        assert torch.equal(module.encoder.heads[head][2].bias, tensors["fc_inter.2.bias"])


def test_another_checkpoint_is_refused_with_the_format_to_choose(tmp_path: Path) -> None:
    write_release(tmp_path / "vclr.pth", published_tensors(resnet_module()))
    with pytest.raises(InputError, match="cannot be read safely"):  # its Namespace is not allowed here
        MocoV2(path=str(tmp_path / "vclr.pth")).read()
    torch.save({"model": {}}, tmp_path / "plain.pth")
    with pytest.raises(InputError, match="weight=vclr_release"):
        MocoV2(path=str(tmp_path / "plain.pth")).read()


def test_every_tensor_of_a_published_file_finds_its_place(tmp_path: Path) -> None:
    module = resnet_module()
    tensors = published_tensors(module)
    write_release(tmp_path / "vclr.pth", tensors)
    report = VclrRelease(path=str(tmp_path / "vclr.pth")).load_into(module)
    assert (len(report.matched), report.missing, report.unused) == (len(tensors), (), ())
    assert torch.equal(module.encoder.backbone.layer4[1].bn2.weight, tensors["layer4.1.bn2.weight"])
    assert torch.equal(module.encoder.heads["segment"][2].bias, tensors["fc_tsn.2.bias"])
    assert torch.equal(module.encoder.heads["order"][0].weight, tensors["fc_order.0.weight"])
    assert torch.equal(module.objective.terms["temporal_order"].classifier.weight, tensors["fc_order_classifier.weight"])


def test_reading_and_writing_keeps_every_bit_and_every_name(tmp_path: Path) -> None:
    tensors = published_tensors(resnet_module())
    write_release(tmp_path / "vclr.pth", tensors)
    VclrRelease(path=str(tmp_path / "again.pth")).write(VclrRelease(path=str(tmp_path / "vclr.pth")).read())
    again = torch.load(tmp_path / "again.pth", weights_only=False)["model"]
    assert list(again) == [f"module.{name}" for name in tensors]
    assert all(torch.equal(again[f"module.{name}"], tensor) for name, tensor in tensors.items())


def test_missing_and_unused_keys_are_named_exactly(tmp_path: Path) -> None:
    module = resnet_module()
    tensors = published_tensors(module)
    del tensors["fc_intra.0.bias"], tensors["bn1.num_batches_tracked"]
    tensors["fc_extra.weight"] = torch.zeros(1)
    write_release(tmp_path / "vclr.pth", tensors)
    report = VclrRelease(path=str(tmp_path / "vclr.pth")).load_into(module)
    assert report.missing == ("encoder.backbone.bn1.num_batches_tracked", "encoder.heads.intra.0.bias")
    assert report.unused == ("encoder.backbone.fc_extra.weight",)
    assert "2 missing (encoder.backbone.bn1.num_batches_tracked, encoder.heads.intra.0.bias); 1 unused" in str(report)


def test_an_incomplete_backbone_is_refused(tmp_path: Path) -> None:
    module = resnet_module()
    tensors = published_tensors(module)
    del tensors["layer3.0.conv1.weight"]
    write_release(tmp_path / "vclr.pth", tensors)
    before = module.encoder.backbone.conv1.weight.clone()
    with pytest.raises(InputError, match=r"1 of them missing, the first encoder\.backbone\.layer3\.0\.conv1\.weight"):
        VclrRelease(path=str(tmp_path / "vclr.pth")).load_into(module)
    assert torch.equal(module.encoder.backbone.conv1.weight, before)


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.target, "it ran")


def test_a_malicious_file_is_refused_and_nothing_of_it_runs(tmp_path: Path) -> None:
    tensors = published_tensors(resnet_module())
    trace = tmp_path / "trace"
    torch.save({"model": {f"module.{name}": tensor for name, tensor in tensors.items()}, "opt": Bomb(trace)}, tmp_path / "bomb.pth")
    with pytest.raises(InputError, match="cannot be read safely"):
        VclrRelease(path=str(tmp_path / "bomb.pth")).read()
    assert not trace.exists()
    torch.load(tmp_path / "bomb.pth", weights_only=False)
    assert trace.read_text() == "it ran"  # the file does bite whoever trusts it


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], {"model": 3}])
def test_another_kind_of_checkpoint_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(InputError, match="weights under 'model'"):
        VclrRelease(path=str(tmp_path / "other.pth")).read()


def test_absent_files_and_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file at"):
        VclrRelease(path=str(tmp_path / "absent.pth")).read()
    (tmp_path / "text.pth").write_text("not a checkpoint")
    with pytest.raises(InputError, match="cannot be read safely"):
        VclrRelease(path=str(tmp_path / "text.pth")).read()


def test_what_a_run_saved_is_loaded_without_queues_and_momentum(tmp_path: Path) -> None:
    source, target = resnet_module(), resnet_module()
    torch.save({"state_dict": source.state_dict(), "epoch": 3}, tmp_path / "last.ckpt")
    report = LightningCheckpoint(path=str(tmp_path / "last.ckpt")).load_into(target)
    assert (report.missing, report.unused) == ((), ())
    assert torch.equal(target.encoder.heads["order"][0].weight, source.encoder.heads["order"][0].weight)


def test_a_written_checkpoint_is_read_back_to_the_bit(tmp_path: Path) -> None:
    tensors = {name: value for name, value in resnet_module().state_dict().items() if name.startswith(("encoder.", "objective."))}
    checkpoint = LightningCheckpoint(path=str(tmp_path / "some.ckpt"))
    checkpoint.write(tensors)
    again = checkpoint.read()
    assert list(again) == list(tensors)
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"layer.weight": torch.zeros(1)}}, tmp_path / "other.ckpt")
    with pytest.raises(InputError, match="checkpoint of vclr_pl's pretraining"):
        LightningCheckpoint(path=str(tmp_path / "other.ckpt")).read()
