import itertools
import shutil

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.color_augmentation import ColorAugmentation
from vclr_pl.data.transform.fused_color import BLUR_SIGMA, BRIGHTNESS, CONTRAST, FLIP, GRAY, HUE, ORDER, ORDERS, PARAMETERS, SATURATION
from vclr_pl.types import InputError

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
PUBLISHED = {
    "brightness": 0.4,
    "contrast": 0.4,
    "saturation": 0.4,
    "hue": 0.1,
    "jitter_probability": 0.8,
    "gray_probability": 0.2,
    "blur_sigma_pixels": [0.1, 2.0],
    "blur_probability": 0.5,
    "flip_probability": 0.5,
    "mean": MEAN,
    "std": STD,
}
PHOTOMETRIC = ColorAugmentation(**PUBLISHED)
WIDE = ColorAugmentation(**{**PUBLISHED, "hue": 0.5})
WAYS = pytest.mark.parametrize("way", ["_apply_one_by_one", "_apply_small", "_apply_together"])  # large or small views on a CPU, a GPU


def pictures(views: int, *, height: int = 40, width: int = 36) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(0, 256, (views, 3, height, width), dtype=torch.uint8, generator=generator)
    drawn[0], drawn[-1] = 0, 255  # black and white: no hue, no chroma
    return drawn


def rows(views: int, **columns: float) -> torch.Tensor:
    """Parameters that do nothing but what is named."""
    parameters = torch.zeros(views, PARAMETERS)
    parameters[:, [BRIGHTNESS, CONTRAST, SATURATION]] = 1
    for name, value in columns.items():
        parameters[:, globals()[name]] = value
    return parameters


def torchvision_view(view_CHW: torch.Tensor, row: list[float]) -> torch.Tensor:
    """The same operations by torchvision, one picture at a time, in [0, 1], before normalization."""
    picture = view_CHW.float() / 255
    adjust = {
        BRIGHTNESS: functional.adjust_brightness,
        CONTRAST: functional.adjust_contrast,
        SATURATION: functional.adjust_saturation,
        HUE: functional.adjust_hue,
    }
    for operation in ORDERS[int(row[ORDER])]:
        picture = adjust[operation](picture, row[operation])
    if row[GRAY]:
        picture = functional.rgb_to_grayscale(picture, 3)
    if row[BLUR_SIGMA]:
        picture = functional.gaussian_blur(picture, [13, 13], [row[BLUR_SIGMA]] * 2)
    return functional.hflip(picture) if row[FLIP] else picture


def in_unit_range(prepared: torch.Tensor) -> torch.Tensor:
    return prepared * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]


@WAYS
@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"BRIGHTNESS": 1.4},
        {"BRIGHTNESS": 0.6},
        {"CONTRAST": 1.4},
        {"CONTRAST": 0.6},
        {"SATURATION": 1.4},
        {"SATURATION": 0.0},
        {"HUE": 0.1},
        {"HUE": -0.1},
        {"GRAY": 1.0},
        {"BLUR_SIGMA": 0.1},
        {"BLUR_SIGMA": 2.0},
        {"FLIP": 1.0},
    ],
    ids=str,
)
def test_each_operation_is_torchvisions(way, columns):
    views, parameters = pictures(5), rows(5, **columns)
    expected = torch.stack([torchvision_view(view, row) for view, row in zip(views, parameters.tolist(), strict=True)])
    torch.testing.assert_close(in_unit_range(getattr(PHOTOMETRIC, way)(views, parameters)), expected, atol=1e-5, rtol=0)


@WAYS
def test_all_24_orders_are_torchvisions(way):
    assert sorted(ORDERS) == sorted(itertools.permutations(range(4)))
    views, parameters = pictures(24), rows(24, BRIGHTNESS=1.35, CONTRAST=0.7, SATURATION=1.4, HUE=-0.08)
    parameters[:, ORDER] = torch.arange(24)
    expected = torch.stack([torchvision_view(view, row) for view, row in zip(views, parameters.tolist(), strict=True)])
    torch.testing.assert_close(in_unit_range(getattr(PHOTOMETRIC, way)(views, parameters)), expected, atol=1e-5, rtol=0)


@WAYS
def test_a_drawn_batch_is_torchvisions(way):
    views, parameters = pictures(64, height=33, width=50), PHOTOMETRIC.draw(64, np.random.default_rng(0))
    expected = torch.stack([torchvision_view(view, row) for view, row in zip(views, parameters.tolist(), strict=True)])
    prepared = getattr(PHOTOMETRIC, way)(views, parameters)
    torch.testing.assert_close(in_unit_range(prepared), expected, atol=1e-5, rtol=0)
    normalized = functional.normalize(expected, MEAN, STD)
    torch.testing.assert_close(prepared, normalized, atol=1e-4, rtol=0)


def test_a_clips_frames_share_its_parameters():
    clips = pictures(12).view(3, 4, 3, 40, 36).transpose(1, 2)  # [N, C, T, H, W]
    parameters = PHOTOMETRIC.draw(3, np.random.default_rng(3))
    prepared = PHOTOMETRIC.apply(clips, parameters)
    assert prepared.shape == clips.shape
    for frame in range(4):
        torch.testing.assert_close(prepared[:, :, frame], PHOTOMETRIC.apply(clips[:, :, frame].contiguous(), parameters))


def test_the_views_stay_as_they_were():
    views = pictures(8)
    before = views.clone()
    PHOTOMETRIC.apply(views, PHOTOMETRIC.draw(8, np.random.default_rng(0)))
    assert torch.equal(views, before)


def test_draws_are_distributed_as_published():
    draws = PHOTOMETRIC.draw(20_000, np.random.default_rng(0)).double()
    jittered = draws[:, BRIGHTNESS] != 1
    assert float(jittered.double().mean()) == pytest.approx(0.8, abs=0.01)
    for column, low, high in ((BRIGHTNESS, 0.6, 1.4), (CONTRAST, 0.6, 1.4), (SATURATION, 0.6, 1.4), (HUE, -0.1, 0.1)):
        factors = draws[jittered, column]
        assert low <= float(factors.min()) < low + 0.001
        assert high - 0.001 < float(factors.max()) <= high + 1e-6
        assert float(factors.mean()) == pytest.approx((low + high) / 2, abs=0.005)
        assert draws[~jittered, column].unique().tolist() == [0.0 if column == HUE else 1.0]
    assert torch.bincount(draws[:, ORDER].long(), minlength=24).double().div(20_000).sub(1 / 24).abs().max() < 0.006
    assert float(draws[:, GRAY].mean()) == pytest.approx(0.2, abs=0.01)
    assert float(draws[:, FLIP].mean()) == pytest.approx(0.5, abs=0.015)
    sigma = draws[draws[:, BLUR_SIGMA] > 0, BLUR_SIGMA]
    assert len(sigma) / 20_000 == pytest.approx(0.5, abs=0.015)
    assert (float(sigma.min()), float(sigma.max())) == pytest.approx((0.1, 2.0), abs=0.001)


def test_factor_bounds_are_torchvisions():
    strong = ColorAugmentation(**{**PUBLISHED, "brightness": 1.5, "jitter_probability": 1.0})
    theirs = v2.ColorJitter(brightness=1.5, contrast=0.4, saturation=0.4, hue=0.1)
    drawn = strong.draw(5_000, np.random.default_rng(0))[:, BRIGHTNESS]
    assert (float(drawn.min()), float(drawn.max())) == pytest.approx(theirs.brightness, abs=0.002)


def test_many_small_views_on_a_cpu_are_those_of_one_by_one():
    views, parameters = pictures(150, height=33, width=50), PHOTOMETRIC.draw(150, np.random.default_rng(4))
    torch.testing.assert_close(PHOTOMETRIC.apply(views, parameters), PHOTOMETRIC._apply_one_by_one(views, parameters), atol=1e-4, rtol=0)


@WAYS
@pytest.mark.parametrize("turn", [-0.5, -0.4, -0.3, -0.18, 0.2, 0.34, 0.5])
def test_any_turn_of_the_hue_is_torchvisions(way, turn):
    views, parameters = pictures(24), rows(24, BRIGHTNESS=1.35, CONTRAST=0.7, SATURATION=1.4, HUE=turn)
    parameters[:, ORDER] = torch.arange(24)
    expected = torch.stack([torchvision_view(view, row) for view, row in zip(views, parameters.tolist(), strict=True)])
    torch.testing.assert_close(in_unit_range(getattr(WIDE, way)(views, parameters)), expected, atol=1e-5, rtol=0)


def test_small_pictures_on_a_cpu_go_together_and_large_ones_one_by_one(monkeypatch):
    went = []
    for way in ("_apply_one_by_one", "_apply_small"):
        monkeypatch.setattr(PHOTOMETRIC, way, lambda views, _, way=way: went.append((way, len(views))) or views)
    for size_pixels in (48, 112):
        PHOTOMETRIC.apply(pictures(70, height=size_pixels, width=size_pixels), rows(70))
    assert went == [("_apply_small", 70), ("_apply_one_by_one", 70)]


def test_compilation_is_settled_by_the_length_of_the_run():
    for compile_option, pixels, device_type, expected in [
        ("auto", 1e10, "cpu", False),
        ("auto", 3e10, "cpu", True),
        ("auto", 3e10, "cuda", False),
        ("auto", 2e11, "cuda", True),
        ("auto", 1e15, "mps", False),
        (False, 1e15, "cpu", False),
        (True, 1, "cpu", True),
    ]:
        color = ColorAugmentation(**PUBLISHED, compile=compile_option)
        color.expect(pixels=pixels, device_type=device_type)
        assert color._compiles == expected, (compile_option, pixels, device_type)


def test_another_word_for_compile_is_refused():
    with pytest.raises(InputError, match=r"color_augmentation\.compile=maybe"):
        ColorAugmentation(**PUBLISHED, compile="maybe")


@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("c++") is None, reason="torch.compile needs a C++ compiler on the CPU")
def test_the_compiled_views_are_those_without_compilation(caplog):
    color = ColorAugmentation(**PUBLISHED, compile=True)
    views, parameters = pictures(24, height=64, width=60), PHOTOMETRIC.draw(24, np.random.default_rng(5))
    torch.testing.assert_close(color.apply(views, parameters), PHOTOMETRIC.apply(views, parameters), atol=1e-5, rtol=0)
    smaller = color.apply(views[:5], parameters[:5])
    torch.testing.assert_close(smaller, PHOTOMETRIC.apply(views[:5], parameters[:5]), atol=1e-5, rtol=0)
    assert [record for record in caplog.records if "is not compiled" in record.getMessage()] == []
