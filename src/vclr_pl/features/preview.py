"""Pictures of videos for a page: a strip of frames side by side, and a short animation; stored next to the features.

Legend: T frames, H W pixels.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import functional

from vclr_pl.data.part_reading import subclip
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.files import available_cores, evenly_spaced, write_whole
from vclr_pl.stop import stop_if_requested
from vclr_pl.types import InputError
from vclr_pl.video.protocol import VideoDecoder, VideoReadError, scaled_size

SUFFIX = ".webp"


@dataclass(frozen=True)
class Pictures:
    """Pictures of one video, as WebP files. `strip` has `frames` frames of equal width side by side."""

    strip: bytes
    preview: bytes
    frames: int
    width_pixels: int  # width and height of one frame
    height_pixels: int
    video_width_pixels: int  # width and height of the video's original frames
    video_height_pixels: int


@dataclass(frozen=True, kw_only=True)
class PreviewMaker:
    """Reads a few frames of each video.

    Args:
        decoding: reads the videos.
        cache: folder of the stored pictures.
        strip_frames: frames of the strip, evenly spaced.
        preview_frames: frames of the animation of two seconds; 0 for none.
        height_pixels: height of both.
        quality: WebP quality, 1 to 100.
        workers: processes, None for the available cores.

    Raises:
        InputError: a value out of range.
    """

    decoding: VideoDecoder
    cache: str
    strip_frames: int
    preview_frames: int
    height_pixels: int
    quality: int
    workers: int | None
    preview_milliseconds: int = 2000

    def __post_init__(self) -> None:
        if self.strip_frames < 1 or self.preview_frames < 0 or self.height_pixels < 16 or not 1 <= self.quality <= 100:
            raise InputError(
                expected="preview.strip_frames >= 1, preview_frames >= 0, height_pixels >= 16, quality from 1 to 100",
                got=f"{self.strip_frames}, {self.preview_frames}, {self.height_pixels}, {self.quality}",
                hint="Set for instance preview.height_pixels=90.",
            )

    def pictures(self, manifest: Manifest, videos: Sequence[int]) -> dict[int, Pictures]:
        """Pictures by index of the manifest, of the readable videos among `videos`."""
        dataset = _PictureDataset(maker=self, manifest=manifest, videos=list(videos))
        workers = min(available_cores() if self.workers is None else self.workers, len(videos) // 8)
        pictures = {}
        for item in DataLoader(dataset, batch_size=None, num_workers=workers):
            stop_if_requested()
            if item is not None:
                pictures[item[0]] = item[1]
        return pictures

    def of_video(self, manifest: Manifest, index: int) -> Pictures | None:
        """Create the pictures or read the stored ones; None for an unreadable video."""
        folder = self._folder(manifest, index)
        try:
            return _read(folder) or self._make(manifest, index, folder)
        except VideoReadError:
            return None

    def _folder(self, manifest: Manifest, index: int) -> Path:
        making = (self.strip_frames, self.preview_frames, self.height_pixels, self.quality, self.preview_milliseconds)
        key = hashlib.sha256(
            repr((manifest.path(index), manifest.stamp(index), manifest.span(index), making)).encode(errors="surrogateescape")
        ).hexdigest()[:24]
        return Path(self.cache) / key[:2] / key[2:]

    def _make(self, manifest: Manifest, index: int, folder: Path) -> Pictures:
        with manifest.decoder(self.decoding).open(manifest.path(index)) as file:
            reader = subclip(file, manifest, index)
            strip_T = evenly_spaced(reader.frame_count, self.strip_frames, at="middle")  # avoids titles and credits at the ends
            preview_T = evenly_spaced(reader.frame_count, self.preview_frames)
            wanted, position = np.unique([*strip_T, *preview_T], return_inverse=True)
            whole = reader.frames(wanted.tolist())
            frames = self._small(whole)
        shown = [frames[each] for each in position]
        pictures = Pictures(
            strip=self._encode([np.concatenate(shown[: len(strip_T)], axis=1)]),
            preview=self._encode(shown[len(strip_T) :]) if preview_T else b"",
            frames=len(strip_T),
            width_pixels=frames.shape[2],
            height_pixels=frames.shape[1],
            video_width_pixels=whole.shape[-1],
            video_height_pixels=whole.shape[-2],
        )
        _write(folder, pictures)
        return pictures

    def _small(self, frames: Tensor) -> np.ndarray:
        """Scale uint8 `[T, C, H, W]` to `[T, H, W, C]` with the height of the pictures."""
        height, width = frames.shape[-2:]
        side = self.height_pixels if height <= width else max(1, round(self.height_pixels * width / height))
        size = scaled_size(height=height, width=width, short_side_pixels=side)
        small: Tensor = functional.resize(frames, list(size), antialias=True)
        return np.ascontiguousarray(small.permute(0, 2, 3, 1).numpy())

    def _encode(self, pictures: Sequence[np.ndarray]) -> bytes:
        images = [Image.fromarray(picture) for picture in pictures]
        stream = io.BytesIO()
        if len(images) == 1:
            images[0].save(stream, "WEBP", quality=self.quality, method=2)
        else:
            duration = self.preview_milliseconds // len(images)
            images[0].save(
                stream, "WEBP", save_all=True, append_images=images[1:], duration=duration, loop=0, quality=self.quality, method=2
            )
        return stream.getvalue()


class _PictureDataset(Dataset[tuple[int, Pictures] | None]):
    def __init__(self, *, maker: PreviewMaker, manifest: Manifest, videos: Sequence[int]) -> None:
        self.maker, self.manifest, self.videos = maker, manifest, videos

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, position: int) -> tuple[int, Pictures] | None:
        index = self.videos[position]
        pictures = self.maker.of_video(self.manifest, index)
        return None if pictures is None else (index, pictures)

    def __iter__(self) -> Iterator[tuple[int, Pictures] | None]:
        return (self[position] for position in range(len(self)))


def _write(folder: Path, pictures: Pictures) -> None:
    write_whole(folder / f"preview{SUFFIX}", pictures.preview)
    size = f"{pictures.frames}x{pictures.width_pixels}x{pictures.height_pixels}"
    of = f"{pictures.video_width_pixels}x{pictures.video_height_pixels}"
    write_whole(folder / f"strip_{size}_of_{of}{SUFFIX}", pictures.strip)


def _read(folder: Path) -> Pictures | None:
    strip = next(iter(folder.glob(f"strip_*_of_*{SUFFIX}")), None)
    if strip is None:
        return None
    frames, width, height, video_width, video_height = map(int, strip.stem.removeprefix("strip_").replace("_of_", "x").split("x"))
    return Pictures(
        strip=strip.read_bytes(),
        preview=(folder / f"preview{SUFFIX}").read_bytes(),
        frames=frames,
        width_pixels=width,
        height_pixels=height,
        video_width_pixels=video_width,
        video_height_pixels=video_height,
    )
