"""`python -m vclr_pl` lists the commands."""

from __future__ import annotations

COMMANDS = {
    "python -m vclr_pl.train": "pretrain a video encoder and evaluate it (--help shows every option)",
    "python -m vclr_pl.check": "read every file ahead, and list those that cannot be read",
    "python -m vclr_pl.prepare": "copy a data set so that it reads several times as fast",
    "python -m vclr_pl.evaluate": "what an encoder is worth on a data set: retrieval, kNN, linear probe, a page to look at",
    "python -m vclr_pl.finetune": "fine-tune an encoder, or a linear layer on it, to recognize actions, and test it",
    "python -m vclr_pl.embed": "one feature for each video of a folder, in files for NumPy",
    "python -m vclr_pl.retrieve": "the nearest videos of a collection, or its near duplicates, as CSV and a page",
    "python -m vclr_pl.localize": "where in untrimmed videos something happens: proposals, their figures, a page a video",
    "python -m vclr_pl.visualize": "what encoders look at in videos, as pictures and as videos",
    "python -m vclr_pl.report": "one table of many runs",
    "python -m vclr_pl.convert": "weights from one form into another, by name; or the network as ONNX",
}


def main() -> None:
    width = max(map(len, COMMANDS))
    for command, purpose in COMMANDS.items():
        print(f"{command:{width}}  {purpose}")


if __name__ == "__main__":
    main()
