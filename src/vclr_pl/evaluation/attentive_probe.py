"""An attentive probe: a classifier of the frame features of a video, which sees their order.

Legend: N videos, B videos of a batch, Q queries, S segments of the frames of a video, F features of a segment, D width of the probe,
C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from vclr_pl.evaluation.accuracy import QueryScores, query_labels
from vclr_pl.evaluation.probes import linear_scores, moments, refuse_single_class
from vclr_pl.stop import stop_if_requested
from vclr_pl.types import FeatureTable, InputError

ROWS_PER_PASS = 1024


class AttentiveNetwork(nn.Module):
    """Linear projection, learned positions, one cross-attention block with a learned query, and a linear classifier.

    As the attentive probe of V-JEPA (Bardes et al. 2024, "Revisiting Feature Prediction for Learning Visual Representations from Video",
    section 3): its block is cross-attention and an MLP, each with a residual connection. The projection to D is added for speed.
    """

    def __init__(self, *, features: int, segments: int, width: int, heads: int, classes: int) -> None:
        super().__init__()
        self.projection = nn.Linear(features, width)
        self.position = nn.Parameter(_waves(segments, width))
        self.query = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.norm_tokens, self.norm_pooled, self.norm_class = (nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.classifier = nn.Linear(width, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Standardized `[B, S, F]` to logits `[B, C]`."""
        tokens = self.norm_tokens(self.projection(features) + self.position)
        query = self.query.expand(len(features), -1, -1)
        pooled = query + self.attention(query, tokens, tokens, need_weights=False)[0]
        pooled = pooled + self.mlp(self.norm_pooled(pooled))
        logits: Tensor = self.classifier(self.norm_class(pooled[:, 0]))
        return logits


def _waves(places: int, width: int) -> Tensor:
    """`[places, width]`, sinusoids of the place (Vaswani et al. 2017, section 3.5), from which the positions are learned."""
    rate = torch.exp(-math.log(10_000) * torch.arange(0, width, 2) / width)
    angle = torch.arange(places)[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), dim=2).flatten(1)[:, :width]


class AttentiveProbe:
    """Trains `AttentiveNetwork` on the gallery with AdamW, a cosine schedule and a fixed number of epochs; nothing is selected.

    It reads features that are pooled into `segments` equal segments of the frames, `[N, S F]`, and standardizes them by the gallery.

    Args:
        segments: S.
        width: D.
        heads: attention heads; they divide D.
        epochs: passes over the gallery.
        batch_size: B.
        lr: peak learning rate, after one epoch of linear warm-up.
        weight_decay: of AdamW.
        accelerator: `cpu`, or anything else for a GPU if there is one.

    Raises:
        InputError: a value out of range.
    """

    def __init__(
        self, *, segments: int, width: int, heads: int, epochs: int, batch_size: int, lr: float, weight_decay: float, accelerator: str
    ) -> None:
        if min(segments, width, heads, epochs, batch_size) < 1 or width % heads or width % 2 or lr <= 0:
            raise InputError(
                expected="positive options of attentive_probe, and an even width that the heads divide",
                got=f"segments={segments}, width={width}, heads={heads}, epochs={epochs}, batch_size={batch_size}, lr={lr}",
                hint="Remove these options to use the defaults.",
            )
        self.pooling_segments, self.width, self.heads = segments, width, heads
        self.epochs, self.batch_size, self.lr, self.weight_decay = epochs, batch_size, lr, weight_decay
        self.device = torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")

    def __call__(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
        """`attentive_top1`, `attentive_top5`, `attentive_mean_class` in percent; empty without queries."""
        scores = self.scores(gallery=gallery, query=query)
        return {} if scores is None else scores.metrics()

    def scores(self, *, gallery: FeatureTable, query: FeatureTable | None) -> QueryScores | None:
        """Scores of each query.

        Raises:
            InputError: an empty or unlabeled table, or a gallery of a single class.
        """
        if query is None:
            return None
        label_Q = query_labels(gallery=gallery, query=query)
        refuse_single_class(gallery)
        class_C, place_N = torch.unique(gallery.label, return_inverse=True)
        mean_F, scale_F = moments(self._segments(gallery.features).flatten(0, 1))

        def standardized(rows: Tensor) -> Tensor:
            return ((self._segments(rows).double() - mean_F) / scale_F).float().to(self.device)

        with torch.random.fork_rng(devices=[]):  # equal for all encoders, whatever was drawn before
            torch.manual_seed(0)
            with torch.enable_grad():
                network = self._fitted(gallery.features, place_N, len(class_C), standardized)
        with torch.no_grad():
            logits = [network(standardized(rows)).double().cpu() for rows in query.features.split(ROWS_PER_PASS)]
        return linear_scores(name="attentive", decision_QC=torch.cat(logits), class_C=class_C, label_Q=label_Q)

    def _segments(self, features: Tensor) -> Tensor:
        """`[N, S F]` to `[N, S, F]`."""
        return features.reshape(len(features), self.pooling_segments, -1)

    def _fitted(self, features: Tensor, place_N: Tensor, classes: int, standardized: Callable[[Tensor], Tensor]) -> AttentiveNetwork:
        width = self._segments(features[:1]).shape[2]
        network = AttentiveNetwork(features=width, segments=self.pooling_segments, width=self.width, heads=self.heads, classes=classes)
        network.to(self.device).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        steps = math.ceil(len(features) / self.batch_size)
        total = steps * self.epochs

        def share(step: int) -> float:
            return min(1.0, (step + 1) / steps) * 0.5 * (1 + math.cos(math.pi * step / total))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(features)).split(self.batch_size):
                stop_if_requested()
                optimizer.zero_grad(set_to_none=True)
                loss = nn.functional.cross_entropy(network(standardized(features[rows])), place_N[rows].to(self.device))
                loss.backward()
                optimizer.step()
                schedule.step()
        return network.eval()


def refuse_frame_measures(measures: Mapping[str, object]) -> None:
    """
    Raises:
        InputError: a measure needs the features of single frames, which the evaluation within a training run does not have.
    """
    named = [name for name, measure in measures.items() if hasattr(measure, "pooling_segments")]
    if named:
        raise InputError(
            expected="measures on mean features in training",
            got=f"evaluation={named[0]}",
            hint="Evaluate the run afterwards: python -m vclr_pl.evaluate encoder=RUN_FOLDER evaluation=attentive_probe.",
        )
