"""A measure of an encoder, computed from the features of the videos."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from vclr_pl.types import FeatureTable


class NearestClassMean:
    """Accuracy, in percent, of the class whose mean training feature is the most similar one (cosine)."""

    def __call__(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
        tested = gallery if query is None else query
        classes = gallery.label.unique()
        mean_CF = torch.stack([gallery.features[gallery.label == label].mean(dim=0) for label in classes])
        similarity_NC = normalize(tested.features) @ normalize(mean_CF).T
        predicted_N = classes[similarity_NC.argmax(dim=1)]
        return {"class_mean_top1": 100.0 * float((predicted_N == tested.label).float().mean())}
