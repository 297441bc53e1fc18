import pytest
import torch
from torchvision.transforms.v2 import functional

from vclr_pl.data.transform.evaluation_view import EvaluationView

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
    assert torch.equal(view().geometry(frames), frames[:, :, 6:14, 11:19])


def test_the_short_side_is_resized_before_the_crop_where_asked():
    frames = torch.randint(0, 256, (2, 3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    resized = functional.resize(frames, [10, 15], antialias=True)
    assert torch.equal(view(short_side_pixels=10).geometry(frames), functional.center_crop(resized, [8, 8]))


def test_a_frame_smaller_than_the_crop_is_padded_with_black():
    cropped = view().geometry(torch.full((1, 3, 4, 30), 255, dtype=torch.uint8))
    assert tuple(cropped.shape) == (1, 3, 8, 8)
    assert cropped[0, 0, :, 0].tolist() == [0, 0, 255, 255, 255, 255, 0, 0]


def test_normalize_is_torchvisions_for_any_leading_dimensions():
    frames = torch.randint(0, 256, (2, 5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = functional.normalize(frames.float() / 255, MEAN, STD)
    torch.testing.assert_close(view().normalize(frames), expected)


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
