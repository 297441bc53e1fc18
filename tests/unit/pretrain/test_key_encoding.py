"""Which shuffles a batch has, and what they need; what is exchanged between ranks is tested in tests/distributed."""

from __future__ import annotations

import pytest
import torch
from tests.unit.pretrain.built import small_batch, small_module

from vclr_pl.pretrain.key_encoding import KeyEncoding
from vclr_pl.pretrain.view_encoding import SeparateEncoding, SharedEncoding
from vclr_pl.types import InputError


def test_one_group_on_one_device_is_not_shuffled() -> None:
    encoding = KeyEncoding(SharedEncoding(), seed=0, uses_batch_statistics=True)
    assert encoding.shuffles(videos=4, passes=1, number=0) is None
    assert encoding.received(small_batch(), number=1) == ()


def test_without_batch_statistics_nothing_is_shuffled() -> None:
    encoding = KeyEncoding(SharedEncoding(batch_norm_videos=2), seed=0, uses_batch_statistics=False)
    assert encoding.shuffles(videos=4, passes=1, number=0) is None


def test_each_pass_of_each_batch_has_a_shuffle_of_its_own() -> None:
    encoding = KeyEncoding(SeparateEncoding(batch_norm_videos=8), seed=0, uses_batch_statistics=True)
    drawn = [shuffle.permutation.tolist() for number in (0, 1) for shuffle in encoding.shuffles(videos=32, passes=4, number=number) or ()]
    assert len(drawn) == 8
    assert all(sorted(permutation) == list(range(32)) for permutation in drawn)
    assert len({tuple(permutation) for permutation in drawn}) == 8
    again = encoding.shuffles(videos=32, passes=4, number=1)
    assert again is not None
    assert [shuffle.permutation.tolist() for shuffle in again] == drawn[4:]


@pytest.mark.parametrize("encoding", [SeparateEncoding, SharedEncoding])
def test_a_group_is_normalized_by_itself(encoding: type) -> None:
    """With two videos a group, the keys of one video change if the other of its group does, and not if one elsewhere does."""
    module = small_module(encoding=encoding(batch_norm_videos=2))
    batch = small_batch()
    keys = module.encode_keys(batch).tuple
    (shuffle,) = module.key_encoding.shuffles(videos=4, passes=1, number=0) or ()
    places = torch.tensor([0, 2, 1, 3])[shuffle.permutation]  # videos 0 and 2 are group 0
    first_group = set(places[:2].tolist()) if encoding is SharedEncoding else set()
    batch.views[2] += 1.0
    changed = {
        video for video, (own, other) in enumerate(zip(keys, module.encode_keys(batch).tuple, strict=True)) if not torch.equal(own, other)
    }
    assert len(changed) == 2
    assert 2 in changed
    if first_group:
        assert changed == (first_group if 2 in first_group else {0, 1, 2, 3} - first_group)


def test_a_batch_that_is_no_whole_groups_is_told() -> None:
    with pytest.raises(InputError, match=r"multiple of encoding.batch_norm_videos; got 3. Set loader.batch_size=3"):
        small_module(encoding=SharedEncoding(batch_norm_videos=3)).encode_keys(small_batch())
