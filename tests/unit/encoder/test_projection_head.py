from __future__ import annotations

import torch

from vclr_pl.encoder.projection_head import ProjectionHead


def test_it_is_two_linear_layers_around_a_rectifier_under_published_names() -> None:
    head = ProjectionHead(feature_dim=6, dim=2)
    assert [(name, tuple(value.shape)) for name, value in head.state_dict().items()] == [
        ("0.weight", (6, 6)),
        ("0.bias", (6,)),
        ("2.weight", (2, 6)),
        ("2.bias", (2,)),
    ]
    pooled = torch.randn(3, 5, 6)
    hidden = torch.relu(pooled @ head[0].weight.t() + head[0].bias)
    torch.testing.assert_close(head(pooled), hidden @ head[2].weight.t() + head[2].bias)
