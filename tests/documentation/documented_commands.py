"""Commands, overrides and links, as the documentation spells them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [path for pattern in ("*.md", "docs/*.md", "benchmarks/*.md") for path in sorted(ROOT.glob(pattern))]
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|href|srcset)=\"([^\"]+)\"")
OVERRIDE = re.compile(r"^(?:[~+]{1,2}\w[\w./@]*|[~+]{0,2}[a-z_][\w./@]*=[^\s|…]+)$")


@dataclass(frozen=True)
class Command:
    """One command of one document. `program` is an entry point's name or `make`."""

    document: str
    line: int
    program: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def commands(text: str, *, document: str) -> list[Command]:
    """Every `python -m vclr_pl.NAME`, `vclr-NAME` and `make` in code, fenced or inline, and in the comments that head config files."""
    pieces = [(match.start(1), match.group(1)) for match in FENCE.finditer(text)]
    outside = FENCE.sub(lambda match: "\n" * match.group().count("\n"), text) if pieces else text
    pieces += [(-1, match.group(1)) for match in CODE_SPAN.finditer(outside)]
    found = []
    for offset, piece in pieces:
        first_line = text.count("\n", 0, offset) + 1 if offset >= 0 else 0
        for number, line in enumerate(re.sub(r"\\\n", " ", piece).splitlines()):
            command = _command(line)
            if command is not None:
                found.append(Command(document, first_line + number, *command))
    return found


def _command(line: str) -> tuple[str, tuple[str, ...]] | None:
    try:
        words = shlex.split(line.removeprefix("$ "), comments=True)
    except ValueError:  # an apostrophe: prose, not a command
        return None
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):  # environment variables set for the command
        words = words[1:]
    if len(words) >= 3 and words[0].startswith(("python", ".venv/bin/python")) and words[1] == "-m" and words[2].startswith("vclr_pl"):
        return words[2].removeprefix("vclr_pl").removeprefix(".") or "__main__", tuple(words[3:])
    if words and re.fullmatch(r"vclr-\w+", words[0]):
        return words[0].removeprefix("vclr-"), tuple(words[1:])
    return ("make", tuple(words[1:])) if words[:1] == ["make"] and len(words) > 1 else None


def command_of_comment(yaml_text: str) -> str:
    """The command that heads a config file: `# command     what it does`; optional parts in brackets left out."""
    heads = [line.removeprefix("#").strip() for line in yaml_text.splitlines() if line.startswith("# python -m")]
    return re.sub(r"\[[^\]]*\]", "", re.split(r"\s{3,}", heads[0])[0]) if heads else ""


def overrides(text: str) -> list[str]:
    """The inline code spans that are overrides on their own, as `loader.batch_size=16`."""
    outside = FENCE.sub("", text)
    return [span for span in CODE_SPAN.findall(outside) if OVERRIDE.match(span)]


def links(text: str) -> list[str]:
    """Targets of links and pictures within the repository, anchors included."""
    targets = [first or second for first, second in LINK.findall(FENCE.sub("", text))]
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
