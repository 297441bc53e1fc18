"""The attentive probe on classes that are orders of the same events, and on labels that mean nothing."""

from __future__ import annotations

import itertools

import pytest
import torch
from tests.unit.evaluation.tables import table

from vclr_pl.evaluation.attentive_probe import AttentiveNetwork, AttentiveProbe, refuse_frame_measures
from vclr_pl.evaluation.probes import LinearProbe
from vclr_pl.types import FeatureTable, InputError

SEGMENTS, FEATURES, ORDERS = 6, 12, list(itertools.permutations(range(3)))
OPTIONS = {"width": 32, "heads": 4, "epochs": 30, "batch_size": 32, "lr": 3e-3, "weight_decay": 0.05, "accelerator": "cpu"}


def probe(**options: object) -> AttentiveProbe:
    return AttentiveProbe(segments=SEGMENTS, **{**OPTIONS, **options})  # type: ignore[arg-type]


def drawn(*, per_class: int, seed: int) -> FeatureTable:
    """Videos of three events, two segments each; the class is their order. Features have noise and a large common offset."""
    events = torch.randn(3, FEATURES, generator=torch.Generator().manual_seed(7))
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(6 * per_class) % 6
    clean = torch.stack([events[list(ORDERS[one])].repeat_interleave(2, dim=0) for one in label.tolist()])
    noisy = 100 + clean + 0.5 * torch.randn(clean.shape, generator=generator)
    return table(noisy.flatten(1), label, tuple("abcdef"))


def mean_of(frames: FeatureTable) -> FeatureTable:
    return table(frames.features.unflatten(1, (SEGMENTS, -1)).mean(dim=1), frames.label)


@pytest.fixture(scope="module")
def tables() -> tuple[FeatureTable, FeatureTable]:
    return drawn(per_class=30, seed=0), drawn(per_class=15, seed=1)


def test_orders_are_told_apart_and_the_mean_cannot(tables: tuple[FeatureTable, FeatureTable]) -> None:
    gallery, query = tables
    found = probe()(gallery=gallery, query=query)
    assert set(found) == {"attentive_top1", "attentive_top5", "attentive_mean_class"}
    assert found["attentive_top1"] > 95
    linear = LinearProbe(regularization_c=1.0)(gallery=mean_of(gallery), query=mean_of(query))
    assert linear["linear_top1"] < 35  # chance 16.7, 90 queries


def test_with_shuffled_labels_it_is_at_chance_on_the_test(tables: tuple[FeatureTable, FeatureTable]) -> None:
    gallery, query = tables
    order = torch.randperm(len(gallery), generator=torch.Generator().manual_seed(2))
    shuffled = table(gallery.features, gallery.label[order])
    assert probe()(gallery=shuffled, query=query)["attentive_top1"] < 35
    assert probe()(gallery=shuffled, query=shuffled)["attentive_top1"] > 40  # it has learned what it was given


def test_the_result_depends_on_the_gallery_alone(tables: tuple[FeatureTable, FeatureTable]) -> None:
    gallery, query = tables
    torch.manual_seed(1)
    first = probe(epochs=2).scores(gallery=gallery, query=query)
    torch.manual_seed(2)
    second = probe(epochs=2).scores(gallery=gallery, query=table(query.features[:7], query.label[:7]))
    assert first is not None
    assert second is not None
    assert torch.equal(first.predicted[:7], second.predicted)  # type: ignore[index]
    before = torch.get_rng_state()
    probe(epochs=1)(gallery=gallery, query=query)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_logits_are_those_of_the_equations() -> None:
    """Cross-attention of one learned query, written out for two heads."""
    torch.manual_seed(0)
    network = AttentiveNetwork(features=5, segments=3, width=4, heads=2, classes=3).eval()
    features = torch.randn(2, 3, 5)
    tokens = network.norm_tokens(features @ network.projection.weight.T + network.projection.bias + network.position)
    in_weight, in_bias = network.attention.in_proj_weight, network.attention.in_proj_bias
    query = network.query[0, 0] @ in_weight[:4].T + in_bias[:4]
    keys, values = tokens @ in_weight[4:8].T + in_bias[4:8], tokens @ in_weight[8:].T + in_bias[8:]
    heads = []
    for head in (slice(0, 2), slice(2, 4)):
        share = torch.softmax(keys[:, :, head] @ query[head] / 2**0.5, dim=1)
        heads.append((share[:, :, None] * values[:, :, head]).sum(dim=1))
    attended = torch.cat(heads, dim=1) @ network.attention.out_proj.weight.T + network.attention.out_proj.bias
    pooled = network.query[0] + attended
    pooled = pooled + network.mlp(network.norm_pooled(pooled))
    torch.testing.assert_close(network(features), network.classifier(network.norm_class(pooled)))


def test_bad_options_and_training_are_refused() -> None:
    with pytest.raises(InputError, match=r"an even width that the heads divide; got .*heads=3"):
        probe(heads=3)
    with pytest.raises(InputError, match=r"measures on mean features in training; got evaluation=attentive_probe\. Evaluate the run"):
        refuse_frame_measures({"attentive_probe": probe()})
    refuse_frame_measures({"linear_probe": LinearProbe(regularization_c=1.0)})
    assert probe()(gallery=drawn(per_class=1, seed=0), query=None) == {}
