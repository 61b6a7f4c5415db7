"""Git in a hostile repository: no program that its configuration names is ever run."""

import subprocess
from pathlib import Path

import pytest

from leadhand.refusals import InvalidArguments
from tests.tools.git_kit import ENV, look, make_repository, plain

# Each way to name a program: the settings, what runs it with plain git, what we run.

HOSTILE: dict[str, tuple[list[tuple[str, str]], list[str], list[str]]] = {
    "monitor": ([("core.fsmonitor", "{evil}")], ["status"], ["status"]),
    "monitor of ls-files": ([("core.fsmonitor", "{evil}")], ["ls-files", "-m"], ["ls-files", "-m"]),
    "external diff": ([("diff.external", "{evil}")], ["diff"], ["diff"]),
    "external diff of attributes": ([("diff.evil.command", "{evil}")], ["diff"], ["diff"]),
    "textconv of diff": ([("diff.evil.textconv", "{evil}")], ["diff"], ["diff"]),
    "textconv of show": ([("diff.evil.textconv", "{evil}")], ["show"], ["show"]),
    "textconv of log": ([("diff.evil.textconv", "{evil}")], ["log", "-p"], ["log", "-p"]),
    "textconv of search": ([("diff.evil.textconv", "{evil}")], ["log", "-Gx"], ["log", "-Gx"]),
    "textconv of blame": (
        [("diff.evil.textconv", "{evil}")],
        ["blame", "a.txt"],
        ["blame", "a.txt"],
    ),
    "clean filter of status": ([("filter.evil.clean", "{evil}")], ["status"], ["status"]),
    "clean filter of diff": ([("filter.evil.clean", "{evil}")], ["diff"], ["diff"]),
    "clean filter of blame": (
        [("filter.evil.clean", "{evil}")],
        ["blame", "a.txt"],
        ["blame", "a.txt"],
    ),
    "required clean filter": (
        [("filter.evil.clean", "{evil}"), ("filter.evil.required", "true")],
        ["diff"],
        ["diff"],
    ),
    "filter process": ([("filter.evil.process", "{evil}")], ["diff"], ["diff"]),
    "filter with = in its name": (
        [("filter.e=v.il.clean", "{evil}"), ("filter.evil.clean", "{evil}")],
        ["diff"],
        ["diff"],
    ),
    "pager": ([("core.pager", "{evil}")], ["-p", "log"], ["log"]),
    "signature": (
        [("log.showSignature", "true"), ("gpg.program", "{evil}")],
        ["log", "signed"],
        ["log", "signed"],
    ),
    "signature of a format": (
        [("gpg.program", "{evil}")],
        ["log", "--format=%G?", "signed"],
        ["log", "--format=%G?", "signed"],
    ),
    "signature by ssh": (
        [("gpg.ssh.program", "{evil}"), ("gpg.ssh.allowedSignersFile", "a.txt")],
        ["log", "--format=%G?", "signed-ssh"],
        ["log", "--format=%G?", "signed-ssh"],
    ),
    "alias": ([("alias.log", "!{evil}"), ("alias.lg", "!{evil}")], ["lg"], ["log"]),
    "lazy fetch": (
        [
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.promisor", "true"),
            ("remote.origin.url", "ext::{evil}"),
            ("protocol.ext.allow", "always"),
        ],
        ["show", "1234567812345678123456781234567812345678"],
        ["show", "1234567812345678123456781234567812345678"],
    ),
    "lazy fetch from a path": (
        [
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.promisor", "true"),
            ("remote.origin.url", "."),
            ("remote.origin.uploadpack", "{evil}"),
        ],
        ["show", "1234567812345678123456781234567812345678"],
        ["show", "1234567812345678123456781234567812345678"],
    ),
    "merge driver": (
        [("merge.evil.driver", "{evil}"), ("log.diffMerges", "remerge")],
        ["log", "-p", "-m", "merged"],
        ["log", "-p", "-m", "merged"],
    ),
    "man viewer": ([("man.viewer", "evil"), ("man.evil.cmd", "{evil}")], ["log", "--help"], []),
}


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A repository with attributes, signed commits, a merge, and a program that leaves a trace."""
    root = make_repository(tmp_path / "root")
    evil = root.parent / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {root.parent}/trace\nexit 1\n")
    evil.chmod(0o755)
    (root / ".gitattributes").write_text("* diff=evil filter=evil merge=evil\n")
    plain(root, "add", ".")
    plain(root, "commit", "-qm", "Attributes")
    raw = plain(root, "cat-file", "commit", "HEAD")
    head, _, message = raw.partition("\n\n")
    for name, kind in (("signed", "PGP SIGNATURE"), ("signed-ssh", "SSH SIGNATURE")):
        signature = f"gpgsig -----BEGIN {kind}-----\n \n aGVsbG8=\n -----END {kind}-----"
        commit = subprocess.run(
            ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
            input=f"{head}\n{signature}\n\n{message}",
            cwd=root,
            env=ENV,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        plain(root, "branch", name, commit)
    plain(root, "checkout", "-qb", "left")
    (root / "a.txt").write_text("left\n")
    plain(root, "commit", "-qam", "Left")
    plain(root, "checkout", "-qb", "merged", "main")
    (root / "a.txt").write_text("right\n")
    plain(root, "commit", "-qam", "Right")
    plain(root, "merge", "-q", "-X", "ours", "left")
    plain(root, "checkout", "-q", "main")
    (root / "a.txt").write_text("one\ntwx\n")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_no_program_of_a_hostile_repository_is_run(hostile: Path, name: str) -> None:
    settings, plainly, words = HOSTILE[name]
    trace = hostile.parent / "trace"
    for key, value in settings:
        plain(hostile, "config", key, value.format(evil=hostile.parent / "evil.sh"))
    if name != "pager":  # which only a terminal gets
        plain(hostile, *plainly)
        assert trace.exists(), "the trap is not sprung by plain git, so it proves nothing"
        trace.unlink()
    if words:
        look(hostile, *words)
    else:
        with pytest.raises(InvalidArguments):
            look(hostile, *plainly)
    assert not trace.exists()


@pytest.mark.slow
def test_no_program_of_a_hostile_submodule_is_run(hostile: Path) -> None:
    library = hostile.parent / "library"
    library.mkdir()
    plain(library, "init", "-q")
    (library / "b.txt").write_text("b\n")
    (library / ".gitattributes").write_text("* filter=evil diff=evil\n")
    plain(library, "add", ".")
    plain(library, "commit", "-qm", "Library")
    plain(hostile, "-c", "protocol.file.allow=always", "submodule", "add", "-q", "../library", "s")
    plain(hostile, "commit", "-qm", "Submodule", "--", "s", ".gitmodules")
    evil = str(hostile.parent / "evil.sh")
    plain(hostile / "s", "config", "filter.evil.clean", evil)
    plain(hostile / "s", "config", "diff.external", evil)
    plain(hostile, "config", "diff.submodule", "diff")
    plain(hostile, "config", "submodule.s.ignore", "none")
    (hostile / "s" / "b.txt").write_text("c\n")
    trace = hostile.parent / "trace"
    plain(hostile, "status")
    assert trace.exists()
    trace.unlink()
    for words in (["status"], ["diff"], ["diff", "HEAD~1"], ["log", "-p"], ["show"]):
        look(hostile, *words)
    assert not trace.exists()
