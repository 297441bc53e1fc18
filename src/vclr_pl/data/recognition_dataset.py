"""Videos with their class: one frame or clip of each segment, cropped alike.

Legend: S segments, C channels, T frames of a clip, H W pixels, P photometric parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from vclr_pl.data.decoding.protocol import VideoDecoder
from vclr_pl.data.manifest import Manifest
from vclr_pl.data.recognition_sampling import RecognitionSampling
from vclr_pl.data.video_dataset import PhotometryDraw, SampleDraws, TrainingVideoDataset
from vclr_pl.data.view_assembly import FrameSource, Geometry, NoReadableVideo
from vclr_pl.types import BrokenVideo, LabeledViews


@dataclass(frozen=True)
class LabeledSample:
    """One video's share of a LabeledViews: views `[S, *view]` uint8, photometry `[S, P]` float32."""

    views: Tensor
    photometry: Tensor
    label: int
    video_index: int
    broken: tuple[BrokenVideo, ...] = ()


class LabeledVideoFrames(TrainingVideoDataset[LabeledSample]):
    """The samples of recognition. All frames of a video share one crop and one flip (TSN, Wang et al. 2016, section 3.3)."""

    def __init__(
        self,
        *,
        manifest: Manifest,
        decoder: VideoDecoder,
        sampling: RecognitionSampling,
        transform: Geometry,
        photometric: PhotometryDraw,
        seed: int,
    ) -> None:
        super().__init__(manifest=manifest, decoder=decoder, seed=seed)
        self.sampling, self.transform, self.photometric = sampling, transform, photometric

    def sample(self, reader: FrameSource, *, draws: SampleDraws, video: int) -> LabeledSample:
        clips = self.sampling.draw(frame_count=reader.frame_count, generator=draws.moments)
        wanted, place_of = np.unique(clips, return_inverse=True)
        frames_CTHW = self.transform.geometry(reader.frames(wanted.tolist()).transpose(0, 1), draws.crops)
        places = torch.from_numpy(place_of.reshape(clips.shape))
        views = frames_CTHW.transpose(0, 1)[places[:, 0]] if clips.shape[1] == 1 else frames_CTHW[:, places].transpose(0, 1)
        return LabeledSample(
            views=views.contiguous(),
            photometry=torch.as_tensor(self.photometric.draw(len(views), draws.colors)),
            label=self.manifest.label(video),
            video_index=video,
        )


def collate_labeled_views(samples: list[LabeledSample | NoReadableVideo]) -> LabeledViews | NoReadableVideo:
    """A batch, in the order of its samples; NoReadableVideo where any of them is one."""
    broken = tuple(video for sample in samples for video in sample.broken)
    readable = [sample for sample in samples if isinstance(sample, LabeledSample)]
    if len(readable) < len(samples):
        return NoReadableVideo(broken)
    return LabeledViews(
        views=default_collate([sample.views for sample in readable]),  # in a worker it stacks into shared memory, which saves a copy
        photometry=torch.stack([sample.photometry for sample in readable]),
        label=torch.tensor([sample.label for sample in readable]),
        video_index=torch.tensor([sample.video_index for sample in readable]),
        broken=broken,
    )
