from __future__ import annotations

import pytest
import torch

from vclr_pl.op.precision import at_least_float32, unit_norm


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(torch.bfloat16, torch.float32), (torch.float16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_only_low_precision_is_widened(given: torch.dtype, wanted: torch.dtype) -> None:
    assert at_least_float32(torch.ones(2, dtype=given)).dtype == wanted
    assert unit_norm(torch.ones(2, 2, dtype=given)).dtype == wanted


def test_norms_are_one_along_the_axis_asked_for() -> None:
    features = torch.randn(2, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(unit_norm(features, dim=1).norm(dim=1), torch.ones(2, 4, dtype=torch.float64))
    torch.testing.assert_close(unit_norm(features).norm(dim=2), torch.ones(2, 3, dtype=torch.float64))
