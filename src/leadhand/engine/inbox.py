"""Inbox: carries out the commands that other processes leave for a run's owner."""

import asyncio
from contextlib import suppress

import msgspec

from leadhand.domain import commands as c
from leadhand.engine.engine import Engine, Verdict
from leadhand.errors import StoreError, UsageError
from leadhand.refusals import Refused
from leadhand.store import Letter, Store

POLL_SECS = 0.1

Mailable = (
    c.CancelActor
    | c.CancelRun
    | c.DrainRun
    | c.AnswerApproval
    | c.ChangePolicies
    | c.PauseActor
    | c.ContinueActor
    | c.RepromptActor
    | c.SendMessage
)
_decoder: msgspec.json.Decoder[Mailable] = msgspec.json.Decoder(Mailable)


def encode(command: Mailable) -> bytes:
    """A command as a letter holds it."""
    return msgspec.json.encode(command)


class Inbox:
    """The letters of one run."""

    def __init__(self, engine: Engine, store: Store, run_id: str) -> None:
        self._engine, self._store, self._run_id = engine, store, run_id

    async def run(self) -> None:
        """Take letters until cancelled."""
        while True:
            # A letter that cannot be had now is had at the next look; the engine tells of more.
            with suppress(StoreError):
                await self.take()
            await asyncio.sleep(POLL_SECS)

    async def take(self) -> int:
        """Carry out the letters that wait; how many there were."""
        letters = await self._store.take(self._run_id)
        for letter in letters:
            await self._carry_out(letter)
        return len(letters)

    async def _carry_out(self, letter: Letter) -> None:
        try:
            command = _decoder.decode(letter.data)
        except msgspec.MsgspecError as error:
            refusal = Refused(f"the command cannot be read: {error}")
            await self._engine.answer(letter.id, refusal)
            return
        with suppress(Refused):
            await self._engine.submit(command, letter.id)


async def send(store: Store, run_id: str, letter: Letter, timeout_secs: float) -> None:
    """Leave a letter with the owner of a run and wait for the verdict.

    Raises Refused where the command was refused, UsageError where no answer came in time.
    """
    await store.submit(run_id, letter)
    deadline = asyncio.get_running_loop().time() + timeout_secs
    while True:
        answer = await store.verdict(run_id, letter.id)
        if answer is not None:
            break
        if asyncio.get_running_loop().time() > deadline:
            raise UsageError(
                f"the owner of run {run_id} gave no answer within {timeout_secs:g} s; "
                "the command waits in its inbox"
            )
        await asyncio.sleep(POLL_SECS / 2)
    given = msgspec.json.decode(answer, type=Verdict)
    if given.code:
        raise Refused(given.message, given.next_step)
