"""The encoder in three lines of Python: transform, features, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.embedding.pretrained_file import small_backbone, write_resnet18, write_run

import vclr_pl
from vclr_pl.embedding.frozen_encoder import frozen
from vclr_pl.embedding.loaded_backbone import LoadedBackbone
from vclr_pl.types import InputError


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
    wide = {"_target_": "vclr_pl.backbone.small_resnet.SmallResNet", "widths": [4, 16], "stem_stride": 2}
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
