"""Notifications: what a manifest says of its sinks, and what is said of what it may not."""

from pathlib import Path

import pytest

from leadhand.domain.manifest import Lifecycle, Notification
from leadhand.load import Found, read

HEAD = '[run]\nmax_workers = 4\nbudget_usd = 1\n[lead]\nmodel = "m"\nprompt = "Do it."\n'
WORD = "s3cret-w0rd"


def found(table: str, **environ: str) -> Found:
    """What a manifest with this table says."""
    return read(f"{HEAD}{table}", "m.toml", Path("/work"), environ=environ)


def faults(table: str, **environ: str) -> list[str]:
    """The faults of a manifest with this table."""
    said = [str(each) for each in found(table, **environ).report.faults]
    assert WORD not in "".join(said)
    return said


def test_without_a_word_nobody_is_told_but_the_parent() -> None:
    manifest = found("").manifest
    assert (manifest.notifications, manifest.lifecycle) == ((), Lifecycle(True, True))


def test_every_key_arrives_and_a_variable_stays_as_it_is_written() -> None:
    text = """
[[notification]]
kind = "slack"
url = "${LEADHAND_HOOK}"
events = ["run_finished", "worker_failed", "run_finished"]
severity_min = "warning"
[[notification]]
kind = "log"
path = "told.jsonl"
[lifecycle]
survive_parent = false
notify = false
"""
    given = found(text, LEADHAND_HOOK=f"https://example.com/{WORD}")
    assert (given.report.faults, given.report.warnings) == ([], [])
    slack = Notification(
        "slack", "${LEADHAND_HOOK}", "", ("run_finished", "worker_failed"), "warning"
    )
    log = Notification("log", path="/work/told.jsonl")
    assert given.manifest.notifications == (slack, log)
    assert given.manifest.lifecycle == Lifecycle(False, False)


def test_a_webhook_of_a_chat_that_is_written_out_is_warned_of_without_its_words() -> None:
    text = f'[[notification]]\nkind = "discord"\nurl = "https://example.com/{WORD}"\n'
    (warning,) = found(text).report.warnings
    assert "is a secret that every file of the run will hold" in str(warning)
    assert WORD not in str(warning)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("${LEADHAND_HOOK}", "LEADHAND_HOOK is not set. Set it: export LEADHAND_HOOK=..."),
        ("${HOOK}", '"${HOOK}" is not expanded: only names that begin with LEADHAND_ are'),
        (f"https://127.0.0.1/{WORD}", "cannot be told: it leads to a loopback address"),
        (f"${{LEADHAND_IN}}/{WORD}", "cannot be told: it leads to a private address"),
        (f"http://example.com/{WORD}", "cannot be told: it does not begin with https://"),
    ],
)
def test_what_cannot_be_told_is_a_fault_without_its_words(url: str, said: str) -> None:
    text = f'[[notification]]\nkind = "webhook"\nurl = "{url}"\n'
    (fault,) = faults(text, LEADHAND_IN="https://10.0.0.1")
    assert f"notification[0].url: {said}" in fault


def test_what_the_environment_names_may_be_told() -> None:
    text = '[[notification]]\nkind = "webhook"\nurl = "http://127.0.0.1:80/"\n'
    assert faults(text, LEADHAND_NOTIFY_ALLOW_HOSTS="127.0.0.1") == []
    (fault,) = faults(text, LEADHAND_NOTIFY_ALLOW_HOSTS="10.0.0.1/8")
    assert "LEADHAND_NOTIFY_ALLOW_HOSTS cannot be read" in fault


def test_there_are_at_most_sixteen() -> None:
    text = '[[notification]]\nkind = "log"\n' * 17
    assert faults(text) == [
        "m.toml:7: notification: has 17 entries, at most 16 are allowed",
    ]
