"""What files may suffer: damage, strangers, newer formats, full and read-only disks."""

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from leadhand.errors import StoreError
from leadhand.store import FORMAT, Letter
from leadhand.stores.sqlite import SqliteStore
from tests.stores.kit import OpenSqlite, StartChild, closed_run, events, in_loop, owned


@pytest.fixture
def store(open_sqlite: OpenSqlite) -> SqliteStore:
    return open_sqlite()


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the lock, which says nothing of the run."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != "owner.lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def change(path: Path, statement: str) -> None:
    """Change a database behind the store's back."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(statement)
    database.close()


# Damaged and foreign files


def truncated_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def truncated_to_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def truncated_inside_a_page(path: Path) -> None:
    os.truncate(path, 5000)


def not_a_database(path: Path) -> None:
    path.write_bytes(b"Dear diary,\n" * 1000)


def pages_overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 3))


def a_header_overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def another_programs_database(path: Path) -> None:
    path.unlink()
    change(path, "CREATE TABLE bookmarks (url TEXT)")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def an_event_lost(path: Path) -> None:
    change(path, "DELETE FROM events WHERE seq = 500")


DAMAGES = [
    truncated_to_nothing,
    truncated_to_half,
    truncated_inside_a_page,
    not_a_database,
    pages_overwritten,
    a_header_overwritten,
    another_programs_database,
    a_folder,
    an_event_lost,
]


@pytest.mark.parametrize("damage", DAMAGES)
@in_loop
async def test_a_damaged_or_foreign_log_is_refused_and_left_as_it_is(
    store: SqliteStore, run_dir: Path, damage: Callable[[Path], None]
) -> None:
    folder = await closed_run(run_dir, 1000)
    damage(folder / "run.db")
    before = files(folder)
    with pytest.raises(StoreError, match=r"run\.db: .*\. \(?.*") as caught:
        await store.own("run", "me")
    assert any(word in str(caught.value) for word in ("put back", "Check that it is a file"))
    assert files(folder) == before
    # The lock was given back: nobody is shut out of mending.
    with pytest.raises(StoreError):
        await store.own("run", "me")


@pytest.mark.parametrize(
    "damage", [truncated_to_nothing, not_a_database, another_programs_database, a_folder]
)
@in_loop
async def test_a_damaged_inbox_is_a_clear_error_and_the_log_is_still_read(
    store: SqliteStore, run_dir: Path, damage: Callable[[Path], None]
) -> None:
    folder = await closed_run(run_dir)
    damage(folder / "inbox.db")
    before = files(folder)
    with pytest.raises(StoreError, match=r"inbox\.db"):
        await store.submit("run", Letter("a", b"", "me", 0))
    with pytest.raises(StoreError, match=r"inbox\.db"):
        await store.take("run")
    assert await store.read("run") == events(1, 10)
    assert {name: data for name, data in files(folder).items() if name in before} == before


@pytest.mark.parametrize("name", ["run.db", "inbox.db"])
@in_loop
async def test_a_lost_file_is_said_and_not_made_anew(
    store: SqliteStore, run_dir: Path, name: str
) -> None:
    folder = await closed_run(run_dir)
    (folder / name).unlink()
    with pytest.raises(StoreError, match="it is missing"):
        await (store.own("run", "me") if name == "run.db" else store.take("run"))
    assert not (folder / name).exists()


@pytest.mark.parametrize("name", ["run.db", "inbox.db"])
@in_loop
async def test_a_newer_format_is_left_to_a_newer_leadhand(
    store: SqliteStore, run_dir: Path, name: str
) -> None:
    folder = await closed_run(run_dir)
    change(folder / name, f"PRAGMA user_version = {FORMAT + 1}")
    before = files(folder)
    with pytest.raises(StoreError, match="this Leadhand is older than the run"):
        await (store.own("run", "me") if name == "run.db" else store.take("run"))
    assert files(folder) == before


@in_loop
async def test_a_damaged_blob_is_not_given_and_putting_it_again_mends_it(
    store: SqliteStore, run_dir: Path
) -> None:
    await store.create("run", "")
    digest = await store.put_blob("run", b"some text")
    path = run_dir / "run" / "blobs" / digest[:2] / digest
    for damage in (b"some tex", b"some tExt", b""):
        path.write_bytes(damage)
        with pytest.raises(StoreError, match="damaged"):
            await store.get_blob("run", digest)
        assert await store.put_blob("run", b"some text") == digest
        assert await store.get_blob("run", digest) == b"some text"
    assert [each.name for each in path.parent.iterdir()] == [digest]


# Full and read-only disks

FILL = """
import resource
async def fails(asked):
    try:
        await asked
    except StoreError as error:
        return str(error)
    return "went well"

async def main():
    name, limit = sys.argv[2], int(sys.argv[3])
    await store.create("run", "")
    await store.own("run", "the child")
    if limit:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    seq = 0
    while True:
        rows = [event(seq + number, b"x" * 5000) for number in range(1, 11)]
        why = await fails(store.append("run", 1, seq, rows, {f"letter {seq}": b"yes"}, b"%d" % seq))
        if why != "went well":
            break
        seq += 10
    say(seq)
    say(why)
    say(await fails(store.put_blob("run", b"x" * 2_000_000)))
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        say(await fails(store.append("run", 1, seq, [event(seq + 1, b"after")], {}, b"after")))
    else:
        say(await fails(store.create("another", "")))
    say((await store.read("run", limit=100_000))[-1].seq)
    say(*[path.name for path in Path(sys.argv[1]).rglob(".new-*")])
"""


@in_loop
async def test_a_write_that_fails_undoes_its_step_and_the_next_may_go_well(
    store: SqliteStore, run_dir: Path, child: StartChild
) -> None:
    writer = child(run_dir, FILL, "run", "1000000")
    seq, why, blob, after, last, leftover = (writer.hear() for _ in range(6))
    assert int(seq) >= 10
    assert "run.db: reading or writing it failed" in why
    assert "failed" in blob
    assert after == "went well"
    assert int(last) == int(seq) + 1
    assert leftover == ""
    writer.process.wait()
    await owned(store)
    rows = await store.read("run", limit=100_000)
    assert [row.seq for row in rows] == list(range(1, int(seq) + 2))
    assert rows[-1].data == b"after"


def test_a_full_disk_is_said_and_nothing_acknowledged_is_lost(
    tmp_path: Path, child: StartChild
) -> None:
    mount = f"mount -t tmpfs -o size=3m none {tmp_path}"
    wrapper = ("unshare", "--map-root-user", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh")
    try:
        subprocess.run([*wrapper, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a kernel that lets us mount")
    writer = child(tmp_path / "runs", FILL, "run", "0", wrapper=wrapper)
    seq, why, blob, another, last, leftover = (writer.hear() for _ in range(6))
    assert int(seq) >= 10
    assert "run.db: the disk is full" in why
    assert "the disk is full" in blob
    assert "the disk is full" in another
    assert last == seq
    assert leftover == ""


@in_loop
async def test_a_folder_that_may_not_be_written_is_said_and_left_as_it_is(
    tmp_path: Path, child: StartChild
) -> None:
    # Below pytest's own folder nobody but root can walk.
    with tempfile.TemporaryDirectory() as parent:
        run_dir = Path(parent) / "runs"
        folder = await closed_run(run_dir)
        before = files(folder)
        everything = [Path(parent), run_dir, *run_dir.rglob("*")]
        for path in everything:
            path.chmod(0o555 if path.is_dir() else 0o444)
        story = """
        async def main():
            # Nobody may be unable to read Python's own library: what is loaded late is loaded now.
            early = SqliteStore(Path(sys.argv[2]))
            await early.create("run", "")
            await early.own("run", "me")
            await early.close()
            if os.geteuid() == 0:
                os.seteuid(65534)
            for asked in (
                store.create("another", ""), store.own("run", "me"), store.put_blob("run", b"new"),
                store.submit("run", Letter("a", b"", "me", 0)), store.read("run"),
            ):
                try:
                    await asked
                    say("went well")
                except StoreError as error:
                    say(error)
        """
        reader = child(run_dir, story, str(tmp_path / "early"))
        said = reader.hear_all()
        for path in everything:
            path.chmod(0o755 if path.is_dir() else 0o644)
        assert len(said) == 5
        for line in said:
            assert "it may not be written to" in line
        assert files(folder) == before


@in_loop
async def test_a_file_in_place_of_the_run_dir_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    for run_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        store = SqliteStore(run_dir)
        for asked in (store.create("run", ""), store.own("run", "me"), store.runs()):
            with pytest.raises(StoreError, match="a file where a folder should be"):
                await asked
        await store.close()
    assert (tmp_path / "file").read_text() == "hello"
