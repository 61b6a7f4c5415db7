"""What only files have: private folders, and processes that contend, die and meet."""

import asyncio
import os
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from leadhand.errors import NotOwner, StoreError
from leadhand.store import Owned
from leadhand.stores.sqlite import SqliteStore
from tests.stores.kit import (
    OpenSqlite,
    StartChild,
    begin,
    closed_run,
    event,
    events,
    holder,
    in_loop,
    letter,
    owned,
)

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")


def open_files(folder: Path) -> list[Path]:
    """The files below a folder that this process has open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(link.readlink())
    return [path for path in found if path.is_relative_to(folder)]


@pytest.fixture
def store(open_sqlite: OpenSqlite) -> SqliteStore:
    return open_sqlite()


# The folder


@in_loop
async def test_a_run_is_a_folder_with_the_manifest_as_it_was_given(
    store: SqliteStore, run_dir: Path
) -> None:
    manifest = '[run]\nname = "größer"\r\n'
    await store.create("run", manifest)
    assert (run_dir / "run" / "manifest.toml").read_bytes() == manifest.encode()
    names = sorted(path.name for path in (run_dir / "run").iterdir())
    assert names == ["blobs", "inbox.db", "manifest.toml", "run.db"]
    assert [path.name for path in run_dir.iterdir()] == ["run"]


@in_loop
async def test_everything_is_private_whatever_the_umask(store: SqliteStore, run_dir: Path) -> None:
    umask = os.umask(0)
    try:
        await begin(store, events(1, 3))
        await store.submit("run", letter("a"))
        await store.put_blob("run", b"text")
        await store.read("run")
    finally:
        os.umask(umask)
    made = [run_dir, *run_dir.rglob("*")]
    assert {"run.db-wal", "inbox.db-wal", "owner.lock"} <= {path.name for path in made}
    for path in made:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


@in_loop
async def test_foreign_folders_are_passed_over_and_left_alone(
    store: SqliteStore, run_dir: Path
) -> None:
    await store.create("run", "")
    (run_dir / "empty").mkdir()
    (run_dir / "Other").mkdir()
    (run_dir / "Other" / "run.db").touch()
    (run_dir / "notes").write_text("hello")
    assert await store.runs() == ["run"]
    for name in ("empty", "notes"):
        with pytest.raises(StoreError):
            await store.own(name, "me")
        with pytest.raises(StoreError, match="exists already"):
            await store.create(name, "")
    assert list((run_dir / "empty").iterdir()) == []


@in_loop
async def test_a_closed_run_can_be_copied_as_files(store: SqliteStore, tmp_path: Path) -> None:
    folder = await closed_run(tmp_path / "first")
    assert not list(folder.glob("*-wal"))
    shutil.copytree(folder, tmp_path / "runs" / "run")
    assert await store.own("run", "me") == Owned(2)
    assert await store.read("run") == events(1, 10)


@in_loop
async def test_a_run_in_a_folder_of_another_name_is_not_owned(
    store: SqliteStore, run_dir: Path
) -> None:
    folder = await closed_run(run_dir)
    shutil.copytree(folder, run_dir / "copy")
    with pytest.raises(StoreError, match="this is run run"):
        await store.own("copy", "me")
    assert await store.own("run", "me") == Owned(2)


@needs_proc
@in_loop
async def test_closing_leaves_no_file_open(open_sqlite: OpenSqlite, run_dir: Path) -> None:
    first, second = open_sqlite(), open_sqlite()
    await begin(first, events(1, 3))
    await second.submit("run", letter("a"))
    await first.take("run")
    assert open_files(run_dir)
    await first.close()
    await second.close()
    assert open_files(run_dir) == []


@pytest.mark.slow
@in_loop
async def test_a_run_that_is_being_taken_while_its_store_closes_is_given_back(
    open_sqlite: OpenSqlite,
) -> None:
    await open_sqlite().create("run", "")
    for _ in range(4):
        store = open_sqlite()
        await asyncio.gather(store.own("run", "ann"), store.close())
        assert await open_sqlite().held("run") == ""


@needs_proc
@pytest.mark.slow
@in_loop
async def test_many_runs_are_read_with_few_open_files(
    store: SqliteStore, open_sqlite: OpenSqlite, run_dir: Path
) -> None:
    other = open_sqlite()
    await begin(store, events(1, 2))
    for number in range(60):
        await store.create(f"run-{number}", "")
    assert not await other.watch("run", 2, 0.0)
    for _ in range(2):
        heads = await asyncio.gather(*(other.head(run) for run in await other.runs()))
        assert heads == [b""] * 61
    logs = [path for path in open_files(run_dir) if path.name == "run.db"]
    assert 1 <= len(logs) <= 40
    await store.append("run", 1, 2, events(3, 3), {}, b"")
    assert await other.watch("run", 2, 0.0), "what was closed meanwhile sees what is new"


# Ownership between processes

OWNER = """
async def main():
    await store.create("run", "")
    owned = await store.own("run", "the child")
    say("owned", owned.epoch)
    hear()
"""


@in_loop
async def test_kill_9_of_the_owner_frees_the_run_at_once(
    store: SqliteStore, run_dir: Path, child: StartChild
) -> None:
    owner = child(run_dir, OWNER)
    assert owner.hear() == "owned 1"
    assert await holder(store) == f"the child, process {owner.process.pid}"
    owner.kill()
    assert await store.own("run", "me") == Owned(2)


@pytest.mark.slow
@in_loop
async def test_of_several_processes_one_owns(
    store: SqliteStore, run_dir: Path, child: StartChild
) -> None:
    await store.create("run", "")
    story = """
    async def main():
        say("ready")
        hear()
        say(type(await store.own("run", "a child")).__name__)
        hear()
    """
    contenders = [child(run_dir, story) for _ in range(4)]
    assert [each.hear() for each in contenders] == ["ready"] * 4
    for each in contenders:
        each.say("go")
    answers = [each.hear() for each in contenders]
    assert sorted(answers) == ["Held", "Held", "Held", "Owned"]
    contenders[answers.index("Owned")].kill()
    assert await store.own("run", "me") == Owned(2)


FORKS = """
        left = os.fork()
        if not left:
            say(os.getpid())
            time.sleep(60)
"""
STARTS = """
        say(subprocess.Popen(["sleep", "60"]).pid)
"""


@pytest.mark.parametrize("leave", [FORKS, STARTS])
@in_loop
async def test_children_of_the_owner_do_not_hold_the_run_after_it(
    store: SqliteStore, run_dir: Path, child: StartChild, leave: str
) -> None:
    story = f"""
    import subprocess, time, warnings
    async def main():
        warnings.simplefilter("ignore")
        await store.create("run", "")
        await store.own("run", "the child")
        {leave}
        hear()
    """
    owner = child(run_dir, story)
    left = int(owner.hear())
    try:
        await holder(store)
        owner.kill()
        assert await store.own("run", "me") == Owned(2)
        os.kill(left, 0)
    finally:
        os.kill(left, 9)


@in_loop
async def test_an_owner_that_was_left_behind_cannot_append(
    open_sqlite: OpenSqlite, run_dir: Path
) -> None:
    old, new = open_sqlite(), open_sqlite()
    epoch = await begin(old, events(1, 2))
    (run_dir / "run" / "owner.lock").unlink()
    next_epoch = await owned(new)
    with pytest.raises(NotOwner, match="left behind"):
        await old.append("run", epoch, 2, [event(3)], {"a": b"no"}, b"old")
    assert await new.read("run") == events(1, 2)
    await new.append("run", next_epoch, 2, events(3, 3), {}, b"new")
    with pytest.raises(NotOwner):
        await old.append("run", epoch, 3, [event(4)], {}, b"old")
    assert await new.read("run") == events(1, 3)
    assert await new.head("run") == b"new"


# Durability


@pytest.mark.slow
@pytest.mark.parametrize("kill_after", [1, 60, 300])
@in_loop
async def test_kill_9_in_the_middle_of_appends_loses_nothing_acknowledged(
    store: SqliteStore, run_dir: Path, child: StartChild, kill_after: int
) -> None:
    story = """
    async def main():
        await store.create("run", "")
        await store.own("run", "the child")
        seq = 0
        for commit in range(1_000_000):
            size = 1 + commit % 7
            said = [b"%d of %d in %d" % (n, size, commit) for n in range(1, size + 1)]
            rows = [event(seq + n, data) for n, data in enumerate(said, 1)]
            await store.append("run", 1, seq, rows, {f"letter {commit}": b"yes"}, b"%d" % commit)
            seq += size
            say(seq)
    """
    writer = child(run_dir, story)
    for _ in range(kill_after):
        writer.hear()
    writer.kill()
    said = [int(line) for line in writer.hear_all()] or [0]
    await owned(store)
    rows = await store.read("run", limit=1_000_000)
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= said[-1]
    number, size, commit = (int(word) for word in rows[-1].data.split() if word.isdigit())
    assert number == size, "the last commit is whole"
    assert await store.head("run") == b"%d" % commit
    assert await store.verdict("run", f"letter {commit}") == b"yes"
    assert await store.verdict("run", f"letter {commit + 1}") is None


@in_loop
async def test_kill_9_of_a_sender_loses_no_letter_it_was_told_is_kept(
    store: SqliteStore, run_dir: Path, child: StartChild
) -> None:
    await begin(store)
    story = """
    async def main():
        for number in range(1_000_000):
            await store.submit("run", Letter(f"letter {number}", b"", "child", 0))
            say(f"letter {number}")
    """
    sender = child(run_dir, story)
    heard = [sender.hear() for _ in range(50)]
    sender.kill()
    heard += sender.hear_all()
    kept = [letter.id for letter in await store.take("run")]
    assert kept[: len(heard)] == heard


@in_loop
async def test_two_processes_that_send_the_same_letter_send_one(
    store: SqliteStore, run_dir: Path, child: StartChild
) -> None:
    await begin(store)
    story = """
    async def main():
        say("ready")
        hear()
        for number in range(30):
            await store.submit("run", Letter(f"letter {number}", sys.argv[2].encode(), "child", 0))
        say("sent")
    """
    senders = [child(run_dir, story, name) for name in ("ann", "bob")]
    assert [sender.hear() for sender in senders] == ["ready"] * 2
    for sender in senders:
        sender.say("go")
    assert [sender.hear() for sender in senders] == ["sent"] * 2
    letters = await store.take("run")
    assert sorted(letter.id for letter in letters) == sorted(f"letter {n}" for n in range(30))


@pytest.mark.slow
@in_loop
async def test_a_watcher_wakes_for_an_event_of_another_process(
    store: SqliteStore, run_dir: Path, child: StartChild
) -> None:
    story = """
    async def main():
        await store.create("run", "")
        await store.own("run", "the child")
        say("ready")
        hear()
        await store.append("run", 1, 0, [event(1)], {"a": b"yes"}, b"head")
        hear()
    """
    writer = child(run_dir, story)
    assert writer.hear() == "ready"
    assert not await store.watch("run", 0, 0.1)
    watching = asyncio.create_task(store.watch("run", 0, 60.0))
    await asyncio.sleep(0.1)
    assert not watching.done()
    writer.say("go")
    assert await watching
    assert await store.head("run") == b"head"
    assert await store.verdict("run", "a") == b"yes"


@in_loop
async def test_a_locked_file_does_not_stop_the_loop(store: SqliteStore, run_dir: Path) -> None:
    epoch = await begin(store)
    lockers = []
    for name in ("run.db", "inbox.db"):
        lockers.append(sqlite3.connect(run_dir / "run" / name, isolation_level=None))
        lockers[-1].execute("BEGIN IMMEDIATE")
    append = asyncio.create_task(store.append("run", epoch, 0, [event(1)], {}, b""))
    submit = asyncio.create_task(store.submit("run", letter("a")))
    await asyncio.sleep(0.05)
    assert not append.done()
    assert not submit.done()
    assert await store.get_blob("run", await store.put_blob("run", b"text")) == b"text"
    for locker in lockers:
        locker.execute("ROLLBACK")
        locker.close()
    await append
    await submit
    assert await store.read("run") == [event(1)]
    assert [letter.id for letter in await store.take("run")] == ["a"]
