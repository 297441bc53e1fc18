from __future__ import annotations

from vclr_pl.callback.checkpoint import LastCheckpoint, PeriodicCheckpoint


def test_the_last_one_is_kept_after_every_epoch(tmp_path):
    last = LastCheckpoint(folder=str(tmp_path))
    assert (last._every_n_epochs, last.save_top_k, last._save_on_train_epoch_end) == (1, 1, True)
    assert last.format_checkpoint_name({}) == str(tmp_path / "last.ckpt")


def test_the_others_are_kept_for_good(tmp_path):
    periodic = PeriodicCheckpoint(folder=str(tmp_path), every_n_epochs=1)
    assert (periodic._every_n_epochs, periodic.save_top_k) == (1, -1)
    assert periodic.format_checkpoint_name({"epoch": 19}) == str(tmp_path / "epoch_0019.ckpt")


def test_both_have_a_state_of_their_own(tmp_path):
    """Equal keys would make Lightning refuse the pair."""
    assert LastCheckpoint(folder=str(tmp_path)).state_key != PeriodicCheckpoint(folder=str(tmp_path), every_n_epochs=1).state_key
