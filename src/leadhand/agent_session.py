"""Agent session: drives a coding agent: what it is told first, its mail, the ends of its turns."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from leadhand import reach
from leadhand.agent import LOGINS, NATIVE, Agent, Ended, Hands, Make, Place
from leadhand.briefing import briefing
from leadhand.calling import INTERRUPTED, caller_of, live
from leadhand.conversation import (
    Conversation,
    briefly,
    conversation,
    fenced,
    summary_of,
    written_out,
)
from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import as_file_name
from leadhand.domain.rules import start
from leadhand.domain.rules.pause import frozen
from leadhand.domain.rules.turn import has_reported
from leadhand.domain.state import Actor
from leadhand.domain.text import one_line
from leadhand.errors import HarnessError, ModelError
from leadhand.harness import Door, Doors, Means, Offer
from leadhand.model import wire_name
from leadhand.refusals import BudgetExceeded, Refused
from leadhand.room import NoRoom, Rooms, Wanted
from leadhand.tool import Caller, Tool

# How often an agent is looked at that nobody has anything to tell.
LOOK_SECS = 1.0
# An agent that is silent for so long, while no model and no tool keeps it, is asked to go on; one
# that is silent as long again is started anew.
IDLE_SECS = 300.0
SILENT = "You have been silent for a while: go on with your task, or give your final answer."
# Characters of each part of a conversation that its agent has lost, and of all of it.
LOST_PART_MAX, LOST_MAX = 2_000, 60_000
RESUMED = (
    "This session was interrupted, and goes on now. The end of what you did before may be missing "
    "from it: look before you repeat anything."
)
LOST = "Your earlier session is lost. This is what was said in it, in short:"
GO_ON = "Go on with your task."
PROJECT = (
    "The project where you work has instructions for agents in {names}: read them before you begin."
)
INSTRUCTIONS = ("CLAUDE.md", "AGENTS.md")

# Of who calls, which of the agent's own tools it has, and the folder of the agent's own files.
HandsOf = Callable[[Caller, tuple[str, ...], Path], Hands]


class Kit(Struct, frozen=True):
    """What all sessions of one kind of agent are driven with. homes: where each has a folder.
    expected_mb: what a process is expected to take of memory."""

    means: Means
    doors: Doors
    make: Make
    hands: HandsOf
    homes: Path
    rooms: Rooms
    expected_mb: int


class AgentSession:
    """One actor's session, run by a coding agent."""

    def __init__(self, kit: Kit, talk: Conversation, stint: int, offer: Offer) -> None:
        assert talk.spawned is not None
        self.kit, self.talk, self.stint, self.offer = kit, talk, stint, offer
        self.spawned = talk.spawned
        self.actor = talk.spawned.actor
        self.owner = kit.means.owner
        # What an earlier session was doing when it was cut off.
        self.cut: list[str] = []
        # When something kept it last, and whether it was asked to go on since.
        self.kept_at, self.nudged = time.monotonic(), False

    def live(self) -> Actor | None:
        """The actor, while it is to go on in this stint."""
        return live(self.owner.run, self.actor, self.stint)

    async def run(self) -> None:
        """Turn after turn until the actor settles, or is to halt. Raises HarnessError."""
        await self.close_tools()
        house, expected_mb = self.owner.run.house, self.kit.expected_mb
        wanted = Wanted(expected_mb, house.min_free_memory_mb, house.max_agent_processes)
        try:
            async with self.kit.rooms.place(
                self.actor, wanted, start.START_SECS, self.held
            ) as ready:
                await self.owner.submit(c.RecordStartHeld(self.actor))
                await self.started(ready)
        except NoRoom as error:
            await self.exit("failed", error=str(error))

    async def held(self, why: str) -> None:
        """Tell what the start waits for."""
        until = self.owner.now().run_ms + start.START_SECS * 1000
        await self.owner.submit(c.RecordStartHeld(self.actor, why, until))

    async def started(self, ready: Callable[[], None]) -> None:
        """Start the agent, and work until it is over. ready: told once it has started."""
        door = await self.kit.doors.open(self.actor)
        try:
            caller = caller_of(self.kit.means, self.spawned)
            place = self.place(door, caller)
            hands = self.kit.hands(caller, place.tools, place.home)
            agent = self.kit.make(self.kit.means.processes, place, hands)
            try:
                await self.open(agent)
                ready()
                await self.work(agent)
            finally:
                await agent.close()
        finally:
            self.kit.doors.close(self.actor)

    async def close_tools(self) -> None:
        """Close the tool calls that an earlier session left open: nobody finishes them."""
        actor = self.live()
        for call, tool in [*actor.tools.items()] if actor else ():
            self.cut.append(one_line(tool.step or tool.tool, 200))
            result = c.RecordToolResult(self.actor, call, INTERRUPTED, is_error=True)
            await self.owner.submit(result)

    def place(self, door: Door, caller: Caller) -> Place:
        """Where the agent works and what it is given there."""
        means, settings = self.kit.means, self.spawned.settings
        native = NATIVE[settings.harness or "api"]
        work = settings.tools or ()
        tools = [*means.toolbox.offered(self.spawned.role, work), *self.offer.tools]
        told = reach.told(self.owner.run, self.actor, tools)
        ours = [tool for tool in told if tool.name not in native]
        home = self.kit.homes / as_file_name(self.actor)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Place(
            actor=self.actor,
            session=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.owner.run.id} {self.actor}")),
            root=caller.root,
            add_dirs=caller.roots[1:],
            env=caller.env | git_settings(caller.env),
            home=home,
            door=door,
            model=wire_name(settings.model or ""),
            effort=settings.effort,
            system="\n\n".join(self.system(told, caller.root)),
            tools=tuple(name for name in work if name in native),
            schemas=tuple(means.toolbox.schemas(ours)),
            login=self.login(),
            user_settings=bool(settings.user_settings),
        )

    def login(self) -> dict[str, str]:
        """The variables by which the agent opens its provider itself, where it is to."""
        settings, manifest = self.spawned.settings, self.owner.run.manifest
        server = (settings.model or "").partition(":")[0]
        given = manifest.providers.get(server) if manifest is not None else None
        if given is None or given.auth != "login":
            return {}
        names, environment = LOGINS[settings.harness or "api"], self.kit.means.environment
        return {name: environment[name] for name in names if name in environment}

    def system(self, tools: list[Tool], root: Path) -> Iterator[str]:
        """What the agent is to know beside its own instructions."""
        workspace = self.owner.run.workspaces.get(self.actor)
        house, missing = self.owner.run.house, self.offer.missing
        yield briefing(self.spawned, house, tools, workspace, root, missing)
        if names := [name for name in INSTRUCTIONS if (root / name).is_file()]:
            yield PROJECT.format(names=" and ".join(names))

    async def open(self, agent: Agent) -> None:
        """Begin, and say the first words: the prompt, or what is to be known to go on."""
        again = await agent.begin()
        if self.live() is None:
            return
        parts = [self.spawned.prompt] if not again else []
        if again:
            parts += [RESUMED, *self.under_way()]
        elif self.talk.messages:
            said = written_out(briefly(self.talk.all(), LOST_PART_MAX))
            parts += [LOST, said[-LOST_MAX:], RESUMED, *self.under_way()]
        mail = await self.mail()
        parts += [fenced(each) for each in mail]
        if again:
            parts.append(GO_ON)
        await self.tell(agent, parts, mail)

    def under_way(self) -> Iterator[str]:
        """What goes on that the agent may not know of any more."""
        actor, run = self.live(), self.owner.run
        if self.cut:
            cut = "\n".join(f"- {step}" for step in self.cut)
            yield f"These calls were cut off, their outcome is unknown:\n{cut}"
        below = [each for each in run.actors.values() if each.parent == self.actor]
        if below:
            lines = "\n".join(f"- {each.id} ({each.label})" for each in below)
            yield f"These work for you now:\n{lines}"
        open_questions = [each.summary for each in actor.approvals.values()] if actor else []
        if open_questions:
            lines = "\n".join(f"- {each}" for each in open_questions)
            yield f"These questions of yours wait for an answer; ask again to get it:\n{lines}"

    async def work(self, agent: Agent) -> None:
        """Hear the end of each turn, and tell the agent what comes meanwhile."""
        turn = asyncio.create_task(agent.turn(), name=f"turn of {self.actor}")
        try:
            with self.owner.watching(self.actor) as changed:
                while (actor := self.live()) is not None:
                    changed.clear()
                    if turn.done():
                        await self.ended(await turn)
                        turn = asyncio.create_task(agent.turn(), name=f"turn of {self.actor}")
                        continue
                    if actor.mail and not frozen(actor):
                        mail = await self.mail()
                        if turn.done():
                            # It ended meanwhile: that comes first.
                            continue
                        await self.tell(agent, [fenced(each) for each in mail], mail)
                    await self.wait(turn, changed)
                    await self.look(agent, actor)
        except HarnessError:
            # An agent may end its process where its next call was refused for good.
            if not isinstance(self.kit.doors.trouble(self.actor), Refused):
                raise
            await self.failed("")
        finally:
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)

    async def wait(self, turn: asyncio.Task[Ended], changed: asyncio.Event) -> None:
        """Wait until the turn is over or something has changed, but not for ever."""
        change = asyncio.create_task(changed.wait())
        try:
            await asyncio.wait(
                {turn, change}, timeout=LOOK_SECS, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            change.cancel()

    async def look(self, agent: Agent, actor: Actor) -> None:
        """End an agent that takes too much memory; wake one that is silent for nothing, or start
        it anew. Raises HarnessError."""
        most = self.spawned.settings.max_rss_mb
        if most is not None and (taken := agent.resident_mb()) > most:
            error = f"its agent took {taken:,} MB of memory, and max_rss_mb is {most:,}"
            await self.exit("failed", error=error)
            return
        now = time.monotonic()
        if actor.call or actor.tools or actor.deferral or frozen(actor):
            self.kept_at = now
        silent = min(agent.quiet_secs(), now - self.kept_at)
        if silent < IDLE_SECS:
            self.nudged = False
        elif not self.nudged:
            self.nudged = True
            await agent.say(SILENT)
        elif silent >= 2 * IDLE_SECS:
            raise HarnessError(f"the agent was silent for {silent:.0f} s")

    async def mail(self) -> list[e.MessageSent]:
        """The messages that the actor has not been given."""
        actor = self.live()
        numbers = {each.number for each in actor.mail} if actor else set()
        if not numbers:
            return []
        history = await self.owner.history(self.actor)
        sent = [each for each in history if isinstance(each, e.MessageSent)]
        return [each for each in sent if each.number in numbers]

    async def tell(self, agent: Agent, parts: list[str], mail: list[e.MessageSent]) -> None:
        """Say it, and record which messages that were. What was said when we die before that is
        said again."""
        await agent.say("\n\n".join(parts))
        if mail:
            numbers = tuple(each.number for each in mail)
            await self.owner.submit(c.DeliverMail(self.actor, numbers))

    async def ended(self, ended: Ended) -> None:
        """What the end of a turn means for the actor; it may be asked to go on."""
        actor = self.live()
        if actor is None or ended.kind == "interrupted":
            return
        while (actor := self.live()) is not None and frozen(actor):
            with self.owner.watching(self.actor) as changed:
                await changed.wait()
        if actor is None:
            return
        if has_reported(actor):
            history = await self.owner.history(self.actor)
            await self.exit("completed", final=summary_of(history))
        elif ended.kind == "cut":
            await self.exit("cut", final=ended.text, error="its answer was cut at max_tokens")
        elif ended.kind == "refused":
            await self.exit("refused", final=ended.text, error="the model refused to answer")
        elif ended.kind != "done":
            await self.failed(ended.error or "its agent gave no reason", final=ended.text)
        elif ended.text.strip():
            await self.exit("completed", final=ended.text.strip())
        else:
            await self.exit("empty", error="the model gave an empty answer")

    async def failed(self, error: str, final: str = "") -> None:
        """End a session whose turn failed, for the reason that its door knows of."""
        trouble = self.kit.doors.trouble(self.actor)
        if isinstance(trouble, Refused):
            outcome: c.Outcome = "budget" if isinstance(trouble, BudgetExceeded) else "failed"
            words = conversation(await self.owner.history(self.actor)).words
            await self.exit(outcome, final=words, error=trouble.message)
        elif isinstance(trouble, ModelError):
            await self.exit("failed", final=final, error=f"model error: {trouble.message}")
        else:
            await self.exit("failed", final=final, error=one_line(error, 1_000))

    async def exit(self, outcome: c.Outcome, *, final: str = "", error: str = "") -> None:
        """Tell that the session is over; a lead may be asked for its report and go on."""
        await self.owner.submit(c.RecordExit(self.actor, outcome, final, error))


def git_settings(env: Mapping[str, str]) -> dict[str, str]:
    """What lets git know who its user is, though the agent has a home of its own."""
    found = Path(env.get("HOME", "/")) / ".gitconfig"
    known = "GIT_CONFIG_GLOBAL" in env or not found.is_file()
    return {} if known else {"GIT_CONFIG_GLOBAL": str(found)}
