import pytest
import torch
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.types import usual_short_side

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def view(**changes):
    return EvaluationView(**{"frames": 5, "crop_pixels": 8, "short_side_pixels": None, "mean": MEAN, "std": STD, **changes})


@pytest.mark.parametrize(
    ("frame_count", "expected"),
    [
        (1, [0]),
        (4, [0, 1, 2, 3]),
        (5, [0, 1, 2, 3, 4]),
        (6, [0, 1, 3, 4, 5]),  # 1, 2.25, 3.5, 4.75, 6 rounded half to even, one-based
        (100, [0, 25, 49, 74, 99]),
    ],
)
def test_published_indices(frame_count, expected):
    assert view().indices(frame_count) == expected


def test_thirty_of_three_hundred():
    expected = [0, 10, 21, 31, 41, 52, 62, 72, 82, 93, 103, 113, 124, 134, 144, 155, 165, 175, 186, 196]
    expected += [206, 217, 227, 237, 247, 258, 268, 278, 289, 299]
    assert view(frames=30).indices(300) == expected


def test_the_crop_is_the_center_of_the_stored_size():
    frames = torch.arange(2 * 3 * 20 * 30).remainder(256).to(torch.uint8).view(2, 3, 20, 30)
    assert torch.equal(view().crop(frames), frames[:, :, 6:14, 11:19])


def test_the_short_side_is_resized_before_the_crop_where_asked():
    frames = torch.randint(0, 256, (2, 3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    resized = functional.resize(frames, [10, 15], antialias=True)
    assert torch.equal(view(short_side_pixels=10).crop(frames), functional.center_crop(resized, [8, 8]))


def test_a_frame_of_that_short_side_is_left_as_it_is():
    """So the demo, rendered at 56 pixels, is evaluated as if nothing were resized."""
    frames = torch.randint(0, 256, (2, 3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(view(short_side_pixels=20).crop(frames), view().crop(frames))


def test_a_frame_smaller_than_the_crop_is_padded_with_black():
    cropped = view().crop(torch.full((1, 3, 4, 30), 255, dtype=torch.uint8))
    assert tuple(cropped.shape) == (1, 3, 8, 8)
    assert cropped[0, 0, :, 0].tolist() == [0, 0, 255, 255, 255, 255, 0, 0]


def test_normalize_is_torchvisions_for_any_leading_dimensions():
    frames = torch.randint(0, 256, (2, 5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = functional.normalize(frames.float() / 255, MEAN, STD)
    torch.testing.assert_close(view().normalize(frames), expected)


def test_clips_are_normalized_as_their_frames_are():
    clips = torch.randint(0, 256, (2, 3, 4, 8, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    frame_by_frame = torch.stack([view().normalize(clips[:, :, place]) for place in range(4)], dim=2)
    torch.testing.assert_close(view().normalize(clips, clips=True), frame_by_frame, rtol=0, atol=0)


@pytest.mark.parametrize("channels_last", [False, True])
def test_normalized_frames_are_what_convolutions_take(channels_last):
    frames = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    given = frames.contiguous(memory_format=torch.channels_last) if channels_last else frames
    normalized = view().normalize(given)
    assert normalized.is_contiguous(memory_format=torch.channels_last)
    expected = ((frames.double() / 255 - torch.tensor(MEAN).double()[:, None, None]) / torch.tensor(STD).double()[:, None, None]).float()
    torch.testing.assert_close(normalized, expected, atol=1e-6, rtol=0)


def test_normalizing_leaves_the_frames_as_they_were():
    frames = torch.full((2, 3, 8, 8), 7.0).contiguous(memory_format=torch.channels_last)
    view().normalize(frames)
    assert bool((frames == 7).all())


@pytest.mark.parametrize(("crop_pixels", "expected"), [(224, 256), (112, 128), (56, 64), (48, 55), (64, 73)])
def test_the_usual_short_side_is_256_for_a_crop_of_224(crop_pixels, expected):
    assert usual_short_side(crop_pixels) == expected


@pytest.mark.parametrize("short_side_pixels", [None, 16, 9])
@pytest.mark.parametrize("size", [(40, 60), (60, 40), (5, 30), (16, 16)])
def test_the_crop_box_is_where_the_pixels_of_the_crop_are(short_side_pixels, size):
    """Each pixel says its place, as fractions of the frame; padding is out of the box."""
    height, width = size
    rows, columns = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij")
    frame = (torch.stack([rows, columns, torch.ones_like(rows)]) * 255).round().to(torch.uint8)[None]
    shown = view(short_side_pixels=short_side_pixels)
    seen = shown.crop(frame)[0].double() / 255
    inside = seen[2] > 0.5
    left, top, wide, tall = shown.crop_box(height=height, width=width)
    reached = [seen[1][inside].min(), seen[0][inside].min(), seen[1][inside].max(), seen[0][inside].max()]
    one_pixel = max(1 / length for length in size) * (1 if short_side_pixels is None else max(1, min(size) / short_side_pixels))
    assert [float(edge) for edge in reached] == pytest.approx([left, top, left + wide, top + tall], abs=1.1 * one_pixel)


def test_in_words():
    assert view().in_words == "5 frames per video, center crop of 8 pixels from the stored size"
    assert view(short_side_pixels=9).in_words == "5 frames per video, center crop of 8 pixels from a short side of 9 pixels"
