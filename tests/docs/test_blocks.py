"""Blocks: what the documents show runs as it stands there.

The Python blocks of one document run together, in order, in an empty folder, warnings being
errors; ```python no-run only compiles. TOML parses. A `console` block's commands exist.
"""

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, Block, blocks, blocks_of, commands, documents
from tests.docs.test_make import targets

BIN = Path(sys.executable).parent
EVERY = [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in documents()]

SAMPLE = """# A title

```python no-run
x = 1
```

- in a list

  ```console
  $ make \\
  test
  12 passed
  ```
"""


def run(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, as a reader would."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        capture_output=True,
        check=False,
        cwd=folder,
        text=True,
        timeout=60,
    )


def verbs(found: list[Block]) -> set[str]:
    """The leadhand verbs that console blocks use."""
    words = [shlex.split(line, comments=True) for block in found for line in commands(block)]
    return {line[1] for line in words if len(line) > 1 and line[0] == "leadhand"}


@pytest.mark.slow
@pytest.mark.parametrize("path", EVERY)
def test_the_python_of_a_document_runs(path: Path, tmp_path: Path) -> None:
    found = blocks_of(path, "python")
    for block in found:
        compile(block.text, block.where, "exec")
    program = "\n".join(block.text for block in found if block.info != "no-run")
    if program:
        done = run(program, tmp_path)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", EVERY)
def test_the_toml_of_a_document_parses(path: Path) -> None:
    for block in blocks_of(path, "toml"):
        tomllib.loads(block.text)


@pytest.mark.parametrize("path", EVERY)
def test_the_make_targets_of_a_document_exist(path: Path) -> None:
    shown = [line for block in blocks_of(path, "console") for line in commands(block)]
    asked = {line.split()[1] for line in shown if line.startswith("make ")}
    assert asked <= targets()


@pytest.mark.slow
@pytest.mark.parametrize("path", EVERY)
def test_the_verbs_of_a_document_exist(path: Path) -> None:
    for verb in verbs(blocks_of(path, "console")) - {"--help", "--version"}:
        subprocess.run([BIN / "leadhand", verb, "--help"], capture_output=True, check=True)


def test_blocks_are_found_with_their_line_and_words() -> None:
    python, console = blocks(SAMPLE)
    assert python == Block("sample.md:3", "python", "no-run", "x = 1\n")
    assert console.where == "sample.md:9"
    assert [line.split() for line in commands(console)] == [["make", "test"]]


def test_a_verb_is_read_from_a_console_block() -> None:
    [block] = blocks("```console\n$ leadhand dispatch x.toml  # go\nrun 7f3a\n$ ls\n```\n")
    assert verbs([block]) == {"dispatch"}


@pytest.mark.slow
def test_a_block_that_fails_or_warns_is_caught(tmp_path: Path) -> None:
    assert run("raise ValueError", tmp_path).returncode != 0
    assert run("import warnings; warnings.warn('old')", tmp_path).returncode != 0
