"""Kit: a caller with real files, real blobs and real processes, to call one tool with."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from leadhand.domain.ids import ROOT, CallId
from leadhand.errors import StoreError
from leadhand.processes import Processes, clean_environment
from leadhand.tool import Caller, Tool


class FolderBlobs:
    """Blobs as files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, data: bytes) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / digest).write_bytes(data)
        return f"blob:{digest}"

    async def get(self, pointer: str) -> bytes:
        path = self.folder / Path(pointer.removeprefix("blob:")).name
        if not path.is_file():
            raise StoreError(f"no blob {pointer}")
        return path.read_bytes()


def make_caller(
    root: Path,
    processes: Processes,
    *,
    roots: tuple[Path, ...] = (),
    readable: tuple[Path, ...] = (),
    env: dict[str, str] | None = None,
    allow_hosts: tuple[str, ...] = (),
) -> Caller:
    """A worker whose directory is `root`."""
    alone = {"GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(root.parent)}
    return Caller(
        actor_id=ROOT,
        role="worker",
        call_id=CallId("call"),
        root=root,
        roots=(root, *roots),
        readable=readable,
        env=clean_environment(os.environ, alone) if env is None else env,
        blobs=FolderBlobs(root.parent / "blobs"),
        processes=processes,
        allow_hosts=allow_hosts,
    )


def using(root: Path, deed: Callable[[Caller], Awaitable[Any]], **caller: Any) -> Any:
    """Do something as a caller, in an event loop of its own, and leave no process."""

    async def main() -> Any:
        folder = root.parent / "run"
        folder.mkdir(exist_ok=True)
        processes = Processes(f"{root.parent.name}-{os.getpid()}", folder)
        try:
            return await deed(make_caller(root, processes, **caller))
        finally:
            await processes.close()

    return asyncio.run(main())


async def ask(caller: Caller, tool: Tool, args: dict[str, Any]) -> str:
    """Call a tool with arguments as they come from a model."""
    answer = await tool.handler(caller, tool.arguments.read(args))
    assert isinstance(answer, str)
    return answer


def call(root: Path, tool: Tool, args: dict[str, Any], **caller: Any) -> str:
    """Call a tool once, in `root`."""
    answer = using(root, lambda one: ask(one, tool, args), **caller)
    assert isinstance(answer, str)
    return answer
