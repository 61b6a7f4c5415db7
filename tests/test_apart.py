"""Apart: what is done in a thread comes back, and what hangs holds up nobody."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from leadhand.apart import apart

HANGS = """
import asyncio, time
from leadhand.apart import apart

async def life():
    try:
        async with asyncio.timeout(0.1):
            await apart(lambda: time.sleep(60))
    except TimeoutError:
        print("left")

asyncio.run(life())
"""


def test_what_it_gives_and_what_it_raises_comes_back() -> None:
    def broken() -> int:
        raise OSError("no such thing")

    async def life() -> None:
        assert await apart(lambda: 7) == 7
        assert await apart(threading.get_ident) != threading.get_ident()
        with pytest.raises(OSError, match="no such thing"):
            await apart(broken)

    asyncio.run(life())


@pytest.mark.slow
def test_the_process_ends_though_it_hangs() -> None:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HANGS], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("left\n", "")
    assert time.monotonic() - begun < 20


def test_one_that_ends_after_its_loop_is_left_alone() -> None:
    go = threading.Event()

    async def life() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await apart(go.wait)

    asyncio.run(life())
    (thread,) = [each for each in threading.enumerate() if each.name == "apart"]
    go.set()
    thread.join(5)
    assert not thread.is_alive()
