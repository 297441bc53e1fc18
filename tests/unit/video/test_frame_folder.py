import pytest
import torch
from PIL import Image
from tests.unit.video.numbered_video import numbered_picture, numbers_shown

from vclr_pl.video.frame_folder import FrameFolderDecoder
from vclr_pl.video.protocol import VideoReadError

DECODER = FrameFolderDecoder(short_side_pixels=None)


def folder_of(path, name, *, frames, first=1):
    path.mkdir()
    for number in range(frames):
        Image.fromarray(numbered_picture(number)).save(path / name.format(number + first))
    return path


@pytest.mark.parametrize("name", ["img_{:05d}.jpg", "frame_{:05d}.jpg", "{}.png"])
@pytest.mark.parametrize("first", [0, 1])
def test_pictures_are_read_by_their_place_in_the_order_of_their_numbers(tmp_path, name, first):
    with DECODER.open(folder_of(tmp_path / "v", name, frames=12, first=first)) as reader:
        assert reader.frame_count == 12
        frames = reader.frames([11, 0, 2, 2])
    assert numbers_shown(frames) == [11, 0, 2, 2]
    assert (frames.dtype, tuple(frames.shape)) == (torch.uint8, (4, 3, 48, 64))
    assert frames.is_contiguous(memory_format=torch.channels_last)


def test_flow_pictures_beside_them_are_no_frames_and_gray_becomes_rgb(tmp_path):
    folder = folder_of(tmp_path / "v", "img_{:05d}.jpg", frames=3)
    Image.fromarray(numbered_picture(9)).save(folder / "flow_x_00001.jpg")
    Image.fromarray(numbered_picture(3)[:, :, 0]).save(folder / "img_00004.jpg")
    with DECODER.open(folder) as reader:
        assert reader.frame_count == 4
        assert numbers_shown(reader.frames([3])) == [3]


def test_pictures_of_another_size_are_scaled_to_the_first_one(tmp_path):
    folder = folder_of(tmp_path / "v", "img_{:05d}.jpg", frames=3)
    Image.fromarray(numbered_picture(3)).resize((128, 96)).save(folder / "img_00004.jpg")
    with DECODER.open(folder) as reader:
        frames = reader.frames([3, 1])
        assert tuple(frames.shape) == (2, 3, 48, 64)
        assert numbers_shown(frames) == [3, 1]
        assert tuple(reader.frames([3]).shape) == (1, 3, 48, 64)


def test_the_short_side_is_resized(tmp_path):
    with FrameFolderDecoder(short_side_pixels=24).open(folder_of(tmp_path / "v", "img_{:05d}.jpg", frames=3)) as reader:
        frames = reader.frames([2])
    assert tuple(frames.shape) == (1, 3, 24, 32)
    assert numbers_shown(frames) == [2]


def test_an_absent_an_empty_and_a_damaged_folder_are_refused_with_the_cause(tmp_path):
    (tmp_path / "empty").mkdir()
    damaged = folder_of(tmp_path / "damaged", "img_{:05d}.jpg", frames=3)
    (damaged / "img_00002.jpg").write_bytes(b"no picture")
    for name, reason in (("absent", "no such folder"), ("empty", "no pictures named")):
        with pytest.raises(VideoReadError, match=reason):
            DECODER.open(tmp_path / name)
    with DECODER.open(damaged) as reader, pytest.raises(VideoReadError, match=r"img_00002\.jpg"):
        reader.frames([0, 1])
