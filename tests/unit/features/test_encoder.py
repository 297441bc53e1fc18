"""Backbones with all of a file's weights, or an error that says what is missing.
The encoder in three lines of Python: transform, features, and what is refused.
What is given wins over what the file says; what is null does not.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.features.pretrained_file import small_backbone, write_resnet18, write_run

import vclr_pl
from vclr_pl.backbone.resnet import clip_network, resnet
from vclr_pl.features.encoder import PUBLISHED_POOLING, EvaluationProtocol, LoadedBackbone, frozen, load_backbone
from vclr_pl.types import InputError, Normalization


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(1)
    network = resnet(name="resnet18")
    torch.save(network.state_dict() | {"fc.weight": torch.zeros(2, 512)}, tmp_path / "resnet18.pth")
    return network, str(tmp_path / "resnet18.pth")


def test_the_file_says_which_network_it_holds(file):
    network, path = file
    loaded = load_backbone(path, momentum=False, backbone=None)
    assert loaded.architecture == {"network": "resnet", "name": "resnet18"}
    assert all(torch.equal(value, loaded.network.state_dict()[name]) for name, value in network.state_dict().items())
    assert loaded.origin == f"backbone {path}: 120 tensors loaded, 0 missing, 1 unused (fc.weight)"
    assert all(parameter.requires_grad for parameter in loaded.network.parameters())


def test_a_network_that_is_given_is_filled(file):
    network, path = file
    given = resnet(name="resnet18")
    loaded = load_backbone(path, momentum=False, backbone=given)
    assert loaded.network is given
    assert loaded.architecture is None
    assert torch.equal(given.conv1.weight, network.conv1.weight)


def test_random_is_the_network_as_it_is():
    given = resnet(name="resnet18")
    before = given.conv1.weight.clone()
    loaded = load_backbone("random", momentum=False, backbone=given)
    assert loaded.network is given
    assert torch.equal(given.conv1.weight, before)
    with pytest.raises(InputError, match="a network for encoder=random"):
        load_backbone("random", momentum=False, backbone=None)


@pytest.mark.parametrize(("name", "told"), [("resnet50", "missing"), ("resnet34", "missing")])
def test_a_deeper_network_is_not_filled_in_part(file, name, told):
    with pytest.raises(InputError, match=told):
        load_backbone(file[1], momentum=False, backbone=resnet(name=name))


def test_a_shallower_network_does_not_pass(tmp_path):
    """All tensors of resnet18 stand in resnet34's file, under the same names and shapes."""
    torch.save(resnet(name="resnet34").state_dict(), tmp_path / "resnet34.pth")
    with pytest.raises(InputError, match=r"which has layer1\.2\.conv1\.weight; got a smaller one, without 96 of its tensors"):
        load_backbone(str(tmp_path / "resnet34.pth"), momentum=False, backbone=resnet(name="resnet18"))


def test_a_file_that_lacks_parts_is_refused(file, tmp_path):
    network, _ = file
    part = {name: value for name, value in network.state_dict().items() if not name.startswith("layer4.1.bn2")}
    torch.save(part, tmp_path / "part.pth")
    with pytest.raises(
        InputError, match=r"all 120 tensors of the backbone in .*; got 4 missing, 0 of another shape, the first layer4\.1\.bn2"
    ):
        load_backbone(str(tmp_path / "part.pth"), momentum=False, backbone=None)


def test_frames_to_features(tmp_path: Path) -> None:
    encoder = vclr_pl.load_encoder(str(write_run(tmp_path / "run")))
    frames = torch.randint(256, (2, 3, 3, 50, 70), dtype=torch.uint8)
    ready = encoder.transform(frames)
    assert (tuple(ready.shape), ready.dtype) == ((2, 3, 3, 32, 32), torch.float32)
    features = encoder(ready)
    backbone = small_backbone().eval()
    with torch.no_grad():
        expected = torch.stack([backbone(video).mean(dim=0) for video in ready])
    torch.testing.assert_close(features, expected)
    assert not features.requires_grad
    assert not encoder.training


def test_the_view_of_the_file_holds_unless_another_is_given(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "run"))
    assert vclr_pl.load_encoder(run).view.short_side_pixels == 40
    other = vclr_pl.load_encoder(run, view={"crop_pixels": 24, "mean": None, "frames": 7})
    assert (other.view.crop_pixels, other.view.mean, other.view.frames) == (24, (0.1, 0.2, 0.3), 7)
    write_resnet18(tmp_path / "x.pth", "torchvision")
    published = vclr_pl.load_encoder(str(tmp_path / "x.pth"))
    assert (published.view.frames, published.view.crop_pixels, published.view.mean[0]) == (30, 224, 0.485)
    assert "0 missing, 2 unused (fc.weight, fc.bias)" in published.origin


@pytest.mark.parametrize(
    ("of_file", "given", "own", "benchmark"),
    [
        ({"crop_pixels": 48, "short_side_pixels": 56}, {}, 56, 56),  # the file's number
        ({"crop_pixels": 48, "short_side_pixels": 56}, {"crop_pixels": 48}, 56, 56),
        ({"crop_pixels": 48, "short_side_pixels": 56}, {"crop_pixels": 112}, 128, None),  # is of another crop
        ({"crop_pixels": 48, "short_side_pixels": None}, {}, 55, None),  # the published view is for the benchmarks
        ({"crop_pixels": 48}, {}, 55, None),  # an older backbone.json
        ({}, {}, 256, None),
        ({"crop_pixels": 48, "short_side_pixels": 56}, {"short_side_pixels": 64}, 64, 64),
        ({"crop_pixels": 48, "short_side_pixels": 56}, {"short_side_pixels": "stored"}, None, None),
    ],
)
def test_the_short_side_that_is_given_then_the_files_then_that_of_the_data(
    of_file: dict[str, int | None], given: dict[str, int | str], own: int, benchmark: int | None
) -> None:
    loaded = LoadedBackbone(network=small_backbone(), architecture=None, origin="", view=of_file, clip={})
    assert [frozen(loaded, view=given, published=published).view.short_side_pixels for published in (False, True)] == [own, benchmark]


def test_the_normalization_that_the_network_declares_holds_unless_another_is_given(tmp_path: Path) -> None:
    run, network = str(write_run(tmp_path / "run")), small_backbone()
    network.input_normalization = Normalization(mean=(0.5,) * 3, std=(0.25,) * 3)
    for source in (run, "random"):
        view = vclr_pl.load_encoder(source, backbone=network).view
        assert (view.mean, view.std) == ((0.5,) * 3, (0.25,) * 3)
    assert vclr_pl.load_encoder(run, backbone=network, view={"mean": (0.1, 0.2, 0.3)}).view.mean == (0.1, 0.2, 0.3)


@pytest.mark.parametrize("given", ["whole", 0, -3, 2.5])
def test_a_short_side_that_is_no_number_is_refused(given: object) -> None:
    with pytest.raises(InputError, match=r"or `stored`; got .*Set protocol\.short_side_pixels=256"):
        vclr_pl.load_encoder("random", backbone=small_backbone(), view={"short_side_pixels": given})


def test_an_incomplete_backbone_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    del content["state_dict"]["encoder.backbone.bn1.running_mean"]
    torch.save(content, run / "checkpoints" / "last.ckpt")
    with pytest.raises(InputError, match=r"1 missing, 0 of another shape, the first bn1\.running_mean"):
        vclr_pl.load_encoder(str(run))


def test_another_shape_is_refused(tmp_path: Path) -> None:
    wide = {"_target_": "vclr_pl.backbone.resnet.SmallResNet", "widths": [4, 16], "stem_stride": 2}
    with pytest.raises(InputError, match="of another shape"):
        vclr_pl.load_encoder(str(write_run(tmp_path / "run", architecture=wide)))


def test_a_network_of_ones_own(tmp_path: Path) -> None:
    stranger = write_run(tmp_path / "run", architecture={"_target_": "my_package.Network"})
    with pytest.raises(InputError, match=r"my_package\.Network"):
        vclr_pl.load_encoder(str(stranger))
    assert (
        vclr_pl.load_encoder(str(stranger), backbone=small_backbone(5)).digest()
        == vclr_pl.load_encoder(str(write_run(tmp_path / "known"))).digest()
    )


def test_random_needs_a_network() -> None:
    with pytest.raises(InputError, match="backbone=resnet50"):
        vclr_pl.load_encoder("random")
    assert vclr_pl.load_encoder("random", backbone=small_backbone()).origin == "random initialization"


def test_the_digest_is_of_the_weights() -> None:
    digests = [vclr_pl.load_encoder("random", backbone=small_backbone(seed)).digest() for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


def test_the_package_offers_nothing_else() -> None:
    with pytest.raises(AttributeError, match="load_decoder"):
        _ = vclr_pl.load_decoder


def test_null_is_what_the_file_says(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "run"))
    figures = {"frames_per_clip": None, "frame_stride": None, **PUBLISHED_POOLING}
    protocol = EvaluationProtocol(frames=12, crop_pixels=None, short_side_pixels=64, mean=None, std=[1.0, 1.0, 1.0], **figures)
    encoder = protocol.load(run, momentum=False, backbone=None)
    view = encoder.view
    assert (view.frames, view.crop_pixels, view.short_side_pixels, view.mean, view.std) == (12, 32, 64, (0.1, 0.2, 0.3), (1.0, 1.0, 1.0))
    assert encoder.view.in_words == "12 frames per video, center crop of 32 pixels from a short side of 64 pixels"
    assert protocol.load(run, momentum=True, backbone=None).digest() != encoder.digest()


def test_a_3d_network_needs_to_know_its_clips_and_a_network_of_frames_takes_none() -> None:
    def load(backbone, **clip):  # type: ignore[no-untyped-def]
        figures = {"frames_per_clip": None, "frame_stride": None, **PUBLISHED_POOLING} | clip
        protocol = EvaluationProtocol(frames=4, crop_pixels=None, short_side_pixels=None, mean=None, std=None, **figures)
        return protocol.load("random", momentum=False, backbone=backbone)

    encoder = load(clip_network(name="r3d_18"), frames_per_clip=4, frame_stride=3)
    assert (encoder.frames_per_clip, encoder.frame_stride) == (4, 3)
    with pytest.raises(InputError, match=r"protocol\.frames_per_clip=8 protocol\.frame_stride=2"):
        load(clip_network(name="r3d_18"))
    with pytest.raises(InputError, match=r"got frames_per_clip=4\. Remove"):
        load(small_backbone(seed=0), frames_per_clip=4, frame_stride=1)
