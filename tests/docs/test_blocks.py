"""Blocks: what the documents show runs as it stands there.

The Python blocks of one document run together, in order, in an empty folder, warnings being
errors; ```python no-run only compiles. TOML is a manifest without faults, or a part of one. The
verbs and options of `console` blocks exist.
"""

import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from leadhand.errors import ManifestError
from leadhand.load import parse
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


def whole(text: str) -> str:
    """A manifest: what is only a part of one is given a lead."""
    if re.search(r"(?m)^\[(lead|\[(lead|task)\])\]", text):
        return text
    return f'{text}\n[lead]\nmodel = "claude-haiku-4-5"\nprompt = "Do it."\n'


def unknown_options(found: list[Block]) -> Iterator[str]:
    """The options that console blocks give to a leadhand verb which has none of that name."""
    for block in found:
        for line in commands(block):
            words = shlex.split(line.replace("`", " "), comments=True)
            if words[:1] != ["leadhand"] or words[1].startswith("-"):
                continue
            verb: click.Command = importlib.import_module(f"leadhand.cli.{words[1]}").command
            known = {name for each in verb.params for name in (*each.opts, *each.secondary_opts)}
            for word in words[2:]:
                option = word.partition("=")[0]
                if option.startswith("-") and option not in {*known, "--help"}:
                    yield f"{block.where}: {words[1]} {option}"


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
def test_the_toml_of_a_document_is_a_manifest_without_faults(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in blocks_of(path, "toml"):
        for name in re.findall(r"\$\{(LEADHAND_\w+)\}", block.text):
            monkeypatch.setenv(name, "https://example.com/as-the-operator-has-set-it")
        parse(whole(block.text), block.where, tmp_path)


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


@pytest.mark.parametrize("path", EVERY)
def test_the_options_of_a_document_exist(path: Path) -> None:
    assert list(unknown_options(blocks_of(path, "console"))) == []


def test_an_option_that_a_verb_lacks_is_caught() -> None:
    found = list(
        blocks("```console\n$ leadhand list -q --json\n$ leadhand why RUN --follow=1\n```\n")
    )
    assert list(unknown_options(found)) == ["sample.md:1: list -q", "sample.md:1: why --follow"]


def test_a_key_that_no_manifest_has_is_caught(tmp_path: Path) -> None:
    parse(whole("[run]\nbudget_usd = 1\n"), "part", tmp_path)
    with pytest.raises(ManifestError):
        parse(whole("[run]\nbudget_eur = 1\n"), "part", tmp_path)


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
