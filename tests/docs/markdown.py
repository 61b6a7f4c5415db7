"""Markdown: the code blocks of the project's documents."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^( *)```(\w*) *([^\n`]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: where it stands, its language, the words after it, its text."""

    where: str
    language: str
    info: str
    text: str


def documents() -> list[Path]:
    """Every document for people."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text: str, where: str = "sample.md") -> Iterator[Block]:
    """The fenced blocks of a Markdown text."""
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        indent, language, info, body = match.groups()
        lines = [one.removeprefix(indent) for one in body.splitlines()]
        yield Block(f"{where}:{line}", language, info.strip(), "\n".join(lines) + "\n")


def blocks_of(path: Path, language: str) -> list[Block]:
    """The blocks of one document in one language."""
    found = blocks(path.read_text(), path.relative_to(ROOT).as_posix())
    return [block for block in found if block.language == language]


def commands(block: Block) -> list[str]:
    """What a `console` block has the reader type: its lines after `$ `."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
