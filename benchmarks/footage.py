"""Videos for measurements that weigh what real ones weigh: a detailed ground that pans, objects that move over it, a sensor's noise."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image

from vclr_pl.data.prepare import Reencoder

REENCODER = {
    "short_side_pixels": 256,
    "keyframe_every": 6,
    "crf": 23,
    "preset": "veryfast",
    "tune": "fastdecode",
    "enlarge": True,
}  # conf/prepare.yaml's
JPEG_QUALITY = 95
NOISE = 5.5  # standard deviation of the sensor, in levels


@dataclass(frozen=True)
class Kind:
    """What the measured videos are; the published data sets' own encodings."""

    name: str
    suffix: str
    seconds: float
    rate: int
    height: int
    width: int
    encoder: str
    tag: str | None
    options: tuple[tuple[str, str], ...]


H264 = Kind("H.264", ".mp4", 10, 30, 256, 340, "libx264", None, (("preset", "medium"), ("crf", "23")))
MPEG4 = Kind("MPEG-4 AVI", ".avi", 7, 25, 240, 320, "mpeg4", "XVID", (("b", "600000"),))


@dataclass(frozen=True)
class Footage:
    """The same videos three times: as they are, re-encoded, and as folders of JPEG files."""

    raw: list[Path]
    reencoded: list[Path]
    frame_folders: list[Path]

    @property
    def frame_counts(self) -> list[int]:
        return [len(list(folder.iterdir())) for folder in self.frame_folders]


def draw(kind: Kind, *, seconds: float, seed: int) -> Iterator[np.ndarray]:
    """RGB frames `[H, W, 3]` uint8."""
    generator = np.random.default_rng(seed)
    frames = round(seconds * kind.rate)
    ground = texture(generator, height=kind.height + 160, width=kind.width + 160)
    objects = [texture(generator, height=size, width=size) for size in (40, 64, 90)]
    noise = generator.normal(0, NOISE, (4, kind.height, kind.width, 1)).astype(np.float32)
    place = generator.uniform(0, 6, 2 * (1 + len(objects)))
    speed = generator.uniform(0.4, 1.2, len(place))
    for number in range(frames):
        swing = 0.5 + 0.5 * np.sin(place + speed * number / kind.rate)
        top, left = (swing[:2] * 159).astype(int)
        picture = ground[top : top + kind.height, left : left + kind.width].copy()
        for item, (y, x) in zip(objects, swing[2:].reshape(-1, 2), strict=True):
            side = len(item)
            y, x = int(y * (kind.height - side)), int(x * (kind.width - side))
            picture[y : y + side, x : x + side] = item
        yield np.clip(picture + np.roll(noise[number % 4], 13 * number, axis=1), 0, 255).astype(np.uint8)


def texture(generator: np.random.Generator, *, height: int, width: int) -> np.ndarray:
    """Noise at several scales, the coarse ones strongest, as in natural pictures."""
    picture = np.full((height, width, 3), 128, np.float32)
    for cell, strength in ((96, 45), (32, 28), (12, 14), (5, 7), (2, 3)):
        coarse = generator.normal(128, strength, (height // cell + 2, width // cell + 2, 3)).clip(0, 255).astype(np.uint8)
        picture += np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.float32) - 128
    return picture


def write(path: Path, kind: Kind, frames: Iterator[np.ndarray]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(kind.encoder, rate=kind.rate, options=dict(kind.options))
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = kind.width, kind.height, "yuv420p", 1
        if kind.tag is not None:
            stream.codec_context.codec_tag = kind.tag
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def make(folder: Path, kind: Kind, *, videos: int, scale: float, jpegs: bool = True) -> Footage:
    """`videos` videos of `scale` times the kind's length."""
    folder.mkdir(parents=True)
    paths = [folder / f"{number}{kind.suffix}" for number in range(videos)]
    with ProcessPoolExecutor(max_workers=2) as pool:
        raw = list(pool.map(_draw_and_write, paths, itertools.repeat(kind), itertools.repeat(kind.seconds * scale), range(videos)))
    return derive(folder, raw, jpegs=jpegs)


def _draw_and_write(path: Path, kind: Kind, seconds: float, seed: int) -> Path:
    return write(path, kind, draw(kind, seconds=seconds, seed=seed))


def derive(folder: Path, raw: list[Path], *, jpegs: bool) -> Footage:
    """Re-encodes, and extracts pictures."""
    (folder / "reencoded").mkdir(parents=True)
    reencoded = [folder / "reencoded" / f"{number}.mp4" for number in range(len(raw))]
    frame_folders = [folder / "frames" / str(number) for number in range(len(raw))]
    with ProcessPoolExecutor(max_workers=2) as pool:
        list(pool.map(_reencode, raw, reencoded))
        if jpegs:
            list(pool.map(_extract, reencoded, frame_folders))
    return Footage(raw=raw, reencoded=reencoded, frame_folders=frame_folders if jpegs else [])


def _reencode(source: Path, target: Path) -> None:
    Reencoder(**REENCODER).encode(source, target, each_frame=lambda: None)


def _extract(video: Path, folder: Path) -> None:
    """As the published code wants them: short side 256."""
    folder.mkdir(parents=True)
    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0), 1):
            frame.to_image().save(folder / f"img_{number:05d}.jpg", quality=JPEG_QUALITY)


def kilobits_per_second(paths: list[Path]) -> float:
    """Mean over videos of size over duration."""
    rates = []
    for path in paths:
        with av.open(str(path)) as container:
            rates.append(8 * path.stat().st_size / 1000 / (container.duration / av.time_base))
    return sum(rates) / len(rates)


def frames_decoded_per_frame_used(path: Path, draws: list[list[int]]) -> float:
    """What must be decoded of this video for six frames in ascending order, by its keyframes, over what is used."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    shown = sorted(packet.pts if packet.pts is not None else number for number, packet in enumerate(packets))
    place_of = {time: place for place, time in enumerate(shown)}
    keyframes = [place_of.get(packet.pts, number) for number, packet in enumerate(packets) if packet.is_keyframe]
    decoded = used = 0
    for wanted in draws:
        position = -1
        for index in wanted:
            start = max(keyframe for keyframe in keyframes if keyframe <= index)
            decoded += index - (position if start <= position else start - 1)
            position, used = index, used + 1
    return decoded / used
