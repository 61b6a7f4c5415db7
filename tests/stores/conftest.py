"""The stores under test, and real processes beside them; all are ended with the test."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leadhand.store import Store
from leadhand.stores.memory import Memory, MemoryStore
from leadhand.stores.sqlite import SqliteStore
from tests.stores.kit import OpenSqlite, OpenStore, StartChild, children


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def open_sqlite(run_dir: Path) -> Iterator[OpenSqlite]:
    opened: list[SqliteStore] = []

    def another() -> SqliteStore:
        opened.append(SqliteStore(run_dir))
        return opened[-1]

    yield another
    for store in opened:
        asyncio.run(store.close())


@pytest.fixture
def open_memory() -> Callable[[], MemoryStore]:
    memory = Memory()
    return lambda: MemoryStore(memory)


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest) -> OpenStore:
    """Opens stores of each kind that meet at one place, as processes meet at a disk."""
    opener: OpenStore = request.getfixturevalue(f"open_{request.param}")
    return opener


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    return open_store()


@pytest.fixture
def other(open_store: OpenStore) -> Store:
    """The store of another process, so to say."""
    return open_store()


@pytest.fixture
def child() -> Iterator[StartChild]:
    with children() as start:
        yield start
