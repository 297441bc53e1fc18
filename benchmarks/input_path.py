"""The ways from a stored video to a batch that `input_pipeline.py` compares; each does one sample, or one batch, a call.

Legend: B videos, V views, C channels, T frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from footage import Footage
from PIL import Image, ImageFilter
from pytorchvideo.data.encoded_video import EncodedVideo
from torchcodec.decoders import VideoDecoder as BareDecoder
from torchvision import transforms

from vclr_pl.data.samples import Crop, SegmentSample, collate_segment_views
from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.data.transform.color_augmentation import ColorAugmentation
from vclr_pl.data.transform.crop import ContrastiveTransform, PublishedTransform
from vclr_pl.data.video_dataset import SegmentVideoDataset
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.video.choice import AutoDecoder
from vclr_pl.video.frame_folder import FrameFolderDecoder
from vclr_pl.video.isolated import IsolatedDecoder
from vclr_pl.video.protocol import VideoDecoder
from vclr_pl.video.pyav import PyavDecoder

SAMPLING = SegmentClipSampler(segments=3, frames_per_clip=1, frame_stride=1)
CROP = {"size_pixels": 224, "scale": (0.2, 1.0), "ratio": (3 / 4, 4 / 3)}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COLORS = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "jitter_probability": 0.8, "gray_probability": 0.2}
REST = {"blur_sigma_pixels": (0.1, 2.0), "blur_probability": 0.5, "flip_probability": 0.5, "mean": MEAN, "std": STD}
NOTHING = dict.fromkeys([*COLORS, "blur_probability", "flip_probability"], 0.0)

PHOTOMETRIC = ColorAugmentation(**COLORS, **REST)
NORMALIZE = ColorAugmentation(**{**REST, **NOTHING})
OURS: VideoDecoder = IsolatedDecoder(decoder=AutoDecoder(threads=1, short_side_pixels=None), decode_timeout_seconds=60)

Run = Callable[[int], object]


def draws_of(frame_count: int, samples: int) -> list[list[int]]:
    """Six ascending frame indices a sample: the published sampling, the same for every way."""
    generator = np.random.default_rng(0)
    moments = [SAMPLING.draw(frame_count=frame_count, generator=generator) for _ in range(samples)]
    return [sorted({*moment.query.ravel().tolist(), *moment.key.ravel().tolist()}) for moment in moments]


def decoding_ways(paths: list[Path], draws: list[list[int]]) -> dict[str, Run]:
    """Six frames of an encoded video, uint8 or float, by each way."""

    def wanted(number: int) -> tuple[str, list[int]]:
        return str(paths[number % len(paths)]), draws[number % len(draws)]

    def stock(number: int) -> object:
        path, indices = wanted(number)
        video = EncodedVideo.from_path(path, decode_audio=False)
        clip = video.get_clip(0, float(video.duration) + 1)["video"]
        video.close()
        return clip[:, [min(index, clip.shape[1] - 1) for index in indices]]

    def bare(number: int) -> object:
        path, indices = wanted(number)
        return BareDecoder(path, num_ffmpeg_threads=1).get_frames_at(indices).data

    def with_decoder(decoder: VideoDecoder) -> Run:
        def read(number: int) -> object:
            path, indices = wanted(number)
            with decoder.open(path) as reader:
                return reader.frames(indices)

        return read

    return {
        "stock pytorchvideo": stock,
        "bare torchcodec": bare,
        "ours": with_decoder(OURS),
        "ours, no child process": with_decoder(AutoDecoder(threads=1, short_side_pixels=None)),
        "ours, PyAV": with_decoder(PyavDecoder(threads=1, short_side_pixels=None)),
    }


def read_pictures(folder: Path, indices: list[int]) -> list[Image.Image]:
    """The published reading: PIL on the files named by number."""
    pictures = []
    for index in indices:
        with Image.open(folder / f"img_{index + 1:05d}.jpg") as stored:
            pictures.append(stored.convert("RGB"))
    return pictures


class PublishedBlur:
    """The released GaussianBlur: PIL's, sigma uniform."""

    def __call__(self, picture: Image.Image) -> Image.Image:
        return picture.filter(ImageFilter.GaussianBlur(radius=np.random.uniform(0.1, 2.0)))


RELEASED = transforms.Compose(
    [
        transforms.RandomResizedCrop(224, scale=(0.2, 1.0)),
        transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
        transforms.RandomGrayscale(p=0.2),
        transforms.RandomApply([PublishedBlur()], p=0.5),
        transforms.RandomHorizontalFlip(),
    ]
)
TO_FLOAT = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])


def released_views(footage: Footage, draws: list[list[int]], number: int) -> list[Image.Image]:
    """The seven views of a sample as PIL pictures, by the torchvision transforms that the release composes."""
    pictures = read_pictures(footage.frame_folders[number % len(footage.frame_folders)], draws[number % len(draws)])
    return [RELEASED(picture) for picture in [*pictures, pictures[0]]]


def dataset(paths: list[Path], *, decoder: VideoDecoder, transform: Crop, colors: ColorAugmentation) -> SegmentVideoDataset:
    manifest = Manifest.from_pairs([(str(path), None) for path in paths])
    return SegmentVideoDataset(
        manifest=manifest, decoder=decoder, sampling=SAMPLING, transform=transform, color_augmentation=colors, seed=0
    )


def ours_on(paths: list[Path]) -> SegmentVideoDataset:
    return dataset(paths, decoder=OURS, transform=ContrastiveTransform(**CROP), colors=PHOTOMETRIC)


def published_on(folders: list[Path]) -> SegmentVideoDataset:
    """`transform=published decoding=frame_folder color_augmentation=normalize`."""
    transform = PublishedTransform(**CROP, color_augmentation=PHOTOMETRIC)
    return dataset(folders, decoder=FrameFolderDecoder(short_side_pixels=None), transform=transform, colors=NORMALIZE)


def worker_share(videos: SegmentVideoDataset) -> Run:
    """A sample as a worker hands it over: decoded, cropped, uint8."""
    return lambda number: sample_of(videos, number)


def sample_of(videos: SegmentVideoDataset, number: int) -> SegmentSample:
    sample = videos[number // len(videos), number % len(videos)]
    assert isinstance(sample, SegmentSample)
    return sample


def whole_way(videos: SegmentVideoDataset, color_augmentation: ColorAugmentation, *, batch: int) -> Run:
    """A batch of normalized floats, everything on one core."""

    def make_batch(number: int) -> object:
        views = collate_segment_views([sample_of(videos, batch * number + place) for place in range(batch)])
        return color_augmentation.apply(views.views.flatten(0, 1), views.color_parameters.flatten(0, 1))

    return make_batch


def released_whole_way(footage: Footage, draws: list[list[int]], *, batch: int) -> Run:
    def make_batch(number: int) -> object:
        samples = [released_views(footage, draws, batch * number + place) for place in range(batch)]
        return torch.stack([torch.stack([TO_FLOAT(view) for view in views]) for views in samples])

    return make_batch


def released_worker_share(footage: Footage, draws: list[list[int]]) -> Run:
    """The release's worker also makes floats of its views; here it need not."""
    return lambda number: torch.stack(
        [torch.from_numpy(np.array(view)).permute(2, 0, 1) for view in released_views(footage, draws, number)]
    )
