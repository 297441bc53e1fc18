import torch

from vclr_pl.video.child_process import SharedFrames


def random_frames(*, frames, side):
    return torch.randint(0, 256, (frames, 3, side, side + 1), dtype=torch.uint8)


def test_memory_gives_back_what_was_written_and_grows():
    memory = SharedFrames()
    for frames, side in ((2, 8), (6, 700), (1, 3)):
        written = random_frames(frames=frames, side=side)
        assert torch.equal(memory.copy(memory.write(written)), written)
        assert torch.equal(memory.lend(memory.write(written)), written)


def test_it_is_lent_until_the_last_view_is_gone():
    memory = SharedFrames()
    frames = memory.lend(memory.write(random_frames(frames=2, side=8)))
    view = frames[0, :, 2:4]
    assert memory.lent
    del frames
    assert memory.lent
    del view
    assert not memory.lent


def test_a_copy_is_its_own():
    memory = SharedFrames()
    first = random_frames(frames=2, side=8)
    kept = memory.copy(memory.write(first))
    memory.write(255 - first)
    assert torch.equal(kept, first)
    assert not memory.lent


def test_lent_frames_outlive_the_memory_that_lent_them():
    memory = SharedFrames()
    written = random_frames(frames=2, side=8)
    frames = memory.lend(memory.write(written))
    del memory
    assert torch.equal(frames, written)
