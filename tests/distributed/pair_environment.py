"""The test's two processes as Lightning sees a cluster."""

from __future__ import annotations

import torch.distributed as dist
from pytorch_lightning.plugins.environments import LightningEnvironment


class PairEnvironment(LightningEnvironment):
    """The test's own gloo group as Lightning's cluster."""

    creates_processes_externally = True

    def world_size(self):
        return dist.get_world_size()

    def global_rank(self):
        return dist.get_rank()

    def local_rank(self):
        return dist.get_rank()
