"""Mortal: a program that uses the API, and dies or is stopped where its test wants it to."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import leadhand
from leadhand.testing import done, turn
from tests.api.kit import manifest, report

TOOLS = ("sell", "price")


class Program:
    """A lead, one worker, two tools. where: the tool in which the process dies, `worker` where
    it dies while the worker's model answers, `wait` where that model does not answer."""

    def __init__(self, folder: Path, where: str = "") -> None:
        self.folder, self._where = folder, where

    def note(self, what: str) -> None:
        """Write down that something happened, and die if it is time."""
        with (self.folder / "happened").open("a") as file:
            file.write(f"{what}\n")
        if what == self._where:
            os.kill(os.getpid(), signal.SIGKILL)

    def happened(self) -> list[str]:
        """What has happened, in order, in all processes."""
        return (self.folder / "happened").read_text().splitlines()

    def tools(self) -> list[Callable[..., Any]]:
        """The tools of this program."""

        @leadhand.tool
        def sell(fruit: str) -> str:
            """Sell a fruit."""
            self.note("sell")
            return f"{fruit} sold"

        @leadhand.tool(effect="reads")
        async def price(fruit: str) -> int:
            """What a fruit costs."""
            self.note("price")
            return 3

        return [sell, price]

    async def reply(self, request: leadhand.Request) -> leadhand.Reply | str:
        """The model of both."""
        if request.actor_id == "root":
            self.note(f"root {turn(request)}")
            return self.lead(request)
        self.note(f"worker {turn(request)}")
        finished = [each.tool for each in done(request)]
        for tool in TOOLS:
            if tool not in finished:
                return leadhand.Reply(calls=((tool, {"fruit": "pear"}),))
        self.note("worker")
        if self._where == "wait":
            await asyncio.sleep(60)
        return " and ".join(each.text for each in done(request))

    def lead(self, request: leadhand.Request) -> leadhand.Reply | str:
        """Have the worker work, wait for it, report what it said."""
        if not done(request, "spawn_worker"):
            args = {"prompt": "Sell.", "tools": [*TOOLS]}
            return leadhand.Reply(calls=(("spawn_worker", args),))
        told = [each.json for each in done(request, "wait_actor")]
        if not told or not told[-1].get("settled"):
            return leadhand.Reply(calls=(("wait_actor", {"actor_id": "root/W1"}),))
        return report("success", [f"- root/W1 — a pear — {told[-1]['result']}"], [])

    def run(self) -> leadhand.Result:
        """Dispatch, and see it to its end."""
        return leadhand.run(
            manifest(),
            run_dir=self.folder / "runs",
            models={"crew": self.reply},
            tools=self.tools(),
        )

    async def resume(self) -> leadhand.Result:
        """Go on with the one run there is."""
        async with leadhand.open(
            self.folder / "runs",
            models={"crew": self.reply},
            tools=self.tools(),
        ) as lh:
            [stands] = await lh.list()
            assert stands.status == "interrupted"
            return await (await lh.resume(stands.run_id)).result()


if __name__ == "__main__":
    try:
        print(Program(Path(sys.argv[1]), sys.argv[2]).run().status)
    except KeyboardInterrupt:
        print("stopped")
