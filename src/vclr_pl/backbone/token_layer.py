"""Networks of tokens: the layer whose tokens show where in a frame a feature comes from, and their grid.

Legend: N frames or clips, P tokens, D channels, t' h w the grid.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from vclr_pl.types import InputError

PREFIXES = (0, 1, 2, 4, 5)  # tokens before the grid: a class token, a distillation token, four registers


def token_layer(network: nn.Module) -> str:
    """The name of the first norm of the last block; empty where there are no blocks of one kind.

    A feature that is the class token does not depend on the other tokens behind the last attention, so the layer is before it.
    """
    chains = [
        (sum(parameter.numel() for parameter in part.parameters()), name, part)
        for name, part in network.named_modules()
        if isinstance(part, nn.ModuleList | nn.Sequential) and len(part) > 1 and len({type(block) for block in part}) == 1
    ]
    if not chains:
        return ""
    _, name, blocks = max(chains, key=lambda chain: chain[0])
    last, block = list(blocks.named_children())[-1]
    norm = next((inner for inner, layer in block.named_modules() if isinstance(layer, nn.LayerNorm)), None)
    return "" if norm is None else f"{name}.{last}.{norm}"


def grid_of_tokens(tokens_NPD: Tensor, *, frames_per_clip: int) -> Tensor:
    """Tokens to `[N, D, h, w]`, of clips to `[N, D, t', h, w]`, without the class and register tokens, which come first.

    The grid is square, and t' divides `frames_per_clip`.

    Raises:
        InputError: the number of tokens fits no such grid.
    """
    count = tokens_NPD.shape[1]
    lengths = [length for length in range(frames_per_clip, 0, -1) if frames_per_clip % length == 0]
    for length in lengths:
        side = math.isqrt(count // length)
        prefix = count - length * side**2
        if side > 1 and prefix in (PREFIXES if frames_per_clip == 1 else PREFIXES[:2]):
            grid: Tensor = tokens_NPD[:, prefix:].transpose(1, 2).unflatten(2, (length, side, side))
            return grid if frames_per_clip > 1 else grid[:, :, 0]
    raise InputError(
        expected="the tokens of a square grid", got=f"{count} tokens", hint="Set layer= to a layer whose output has a height and a width."
    )
