"""Lives: runs in which anything that may be asked is asked, in any order, from a seed."""

from collections.abc import Iterator
from random import Random

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import Settings, Subleads
from leadhand.domain.money import MILLION, Price, Usage
from leadhand.refusals import Refused
from tests.rules.world import REPORT, UNIT, World, intent

PRICE = Price(input=MILLION, output=3 * MILLION, cache_read=MILLION // 2, cache_creation=MILLION)


class Life:
    """A run, and dice that say what is asked of it next."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.late: list[c.RecordTurn] = []
        self.world = World(
            prices={UNIT: PRICE},
            lead=Settings(directory="/a", max_tokens=2_000, max_turns=self.dice.choice([3, 200])),
            defaults=Settings(max_tokens=self.dice.choice([200, 2_000])),
            budget_nanousd=self.dice.choice([0, 20_000, 100_000, 5_000_000]),
            max_workers=self.dice.choice([1, 4]),
            max_total_spawns=self.dice.choice([3, 100]),
            lead_timeout_secs=self.dice.choice([60, 3_600]),
            grace_secs=self.dice.choice([0, 30]),
            subleads=self.dice.choice([None, Subleads(max_depth=3), Subleads(2, 50_000, 3)]),
        )

    def go(self, steps: int) -> "Life":
        """Live for so many steps."""
        for _ in range(steps):
            self.step()
        return self

    def step(self) -> None:
        """Ask for one thing, or let time pass."""
        if self.dice.random() < 0.15:
            self.world.later(ms=self.dice.choice([1, 1_000, 1_000, 30_000, 200_000]))
        elif self.dice.random() < 0.15:
            self.perform()
        else:
            self.ask(self.command())

    def perform(self) -> None:
        """Let what is due happen, as far as it is asked of the run itself."""
        self.world.perform(self.dice.choice([None, []]))

    def ask(self, command: c.Command) -> list[e.Event]:
        """What a command leads to; a refusal is an answer too."""
        try:
            return self.world.do(command)
        except Refused as refusal:
            return [*refusal.record]

    def anybody(self) -> ActorId:
        """An actor that lives, mostly; else one that has settled or never was."""
        live, settled = [*self.world.run.actors], [*self.world.run.records]
        if live and self.dice.random() < 0.9:
            return self.dice.choice(live)
        return self.dice.choice([*settled, ActorId("root/W99"), ActorId("")])

    def call_of(self, actor: ActorId) -> CallId:
        """Its open call, mostly."""
        live = self.world.run.actors.get(actor)
        if live is None or live.call is None or self.dice.random() < 0.1:
            return CallId(f"call{self.dice.randint(0, 9)}")
        return live.call.id

    def tool_of(self, actor: ActorId) -> CallId:
        """One of its open tool calls, mostly."""
        live = self.world.run.actors.get(actor)
        open_tools = [*live.tools, *live.waits] if live else []
        return self.dice.choice([*open_tools, CallId("t1"), CallId("ghost")])

    def command(self) -> c.Command:
        """What is likely to be asked, or else anything."""
        if self.dice.random() < 0.85 and self.world.run.actors:
            return self.likely()
        often = [
            self.admit,
            self.turn,
            self.spawn,
            self.divide,
            self.wait,
            self.returned,
            self.cut,
            self.crash,
        ]
        rarely = [self.exit, self.cancel, self.again, self.of_time, self.of_run, self.steer]
        often += [self.shares, self.leases]
        return self.dice.choice(often * 3 + rarely)()

    def likely(self) -> c.Command:
        """What a session of somebody who lives would ask."""
        actor = self.world.run.actors[self.dice.choice([*self.world.run.actors])]
        if actor.call is not None:
            return self.turn(actor.id)
        if actor.tools and self.dice.random() < 0.5:
            call = self.dice.choice([*actor.tools])
            return c.RecordToolResult(actor.id, call, "content")
        if actor.role != "worker":
            return self.dice.choice(
                [
                    self.admit(actor.id),
                    self.spawn(actor.id),
                    self.spawn(),
                    self.divide(),
                    self.wait(),
                ]
            )
        if actor.turns and self.dice.random() < 0.3:
            return c.RecordExit(actor.id, "completed", "done")
        return self.admit(actor.id)

    def admit(self, actor: ActorId | None = None) -> c.Command:
        actor = actor or self.anybody()
        results = tuple(
            c.RecordToolResult(actor, self.tool_of(actor), "x")
            for _ in range(self.dice.randint(0, 2))
        )
        call = self.dice.choice([self.world.call_id(), self.call_of(actor)])
        return c.AdmitCall(
            actor,
            call,
            self.dice.choice([0, 100, 9_000]),
            results,
            counted=self.dice.choice([None, 0, 50, 5_000]),
        )

    def turn(self, actor: ActorId | None = None) -> c.Command:
        actor = actor or self.anybody()
        usage = Usage(self.dice.randint(0, 3_000), self.dice.choice([5, 300, 2_000, 9_000]))
        intents = tuple(
            intent(f"t{self.dice.randint(1, 9)}", self.dice.choice(["reads", "effects", "keyed"]))
            for _ in range(self.dice.randint(0, 3))
        )
        call = self.call_of(actor)
        found = c.RecordTurn(actor, call, "[]", usage, "end_turn", intents, "words")
        self.late.append(found)
        return found

    def again(self) -> c.Command:
        """An answer that was recorded before, as it may come twice."""
        return self.dice.choice(self.late) if self.late else self.turn()

    def divide(self) -> c.Command:
        return c.SpawnSublead(
            self.dice.choice([ROOT, self.anybody()]),
            CallId(f"s{self.dice.randint(1, 12)}"),
            "lead it",
            key=self.dice.choice(["", "", "k1"]),
            max_workers=self.dice.choice([None, 1, 2, 9]),
            read_down=self.dice.choice([None, True]),
            settings=Settings(
                budget_nanousd=self.dice.choice([None, 9_000, 40_000, 900_000, 10**12]),
                timeout_secs=self.dice.choice([None, 1, 100]),
            ),
        )

    def spawn(self, parent: ActorId | None = None) -> c.Command:
        return c.SpawnActor(
            parent or self.dice.choice([ROOT, self.anybody()]),
            CallId(f"s{self.dice.randint(1, 12)}"),
            "do it",
            key=self.dice.choice(["", "", "k1"]),
            agent=self.dice.choice(["", "", "", "cook"]),
            settings=Settings(
                budget_nanousd=self.dice.choice([None, None, 0, 9_000, 40_000, 10**12]),
                max_turns=self.dice.choice([None, 1, 2]),
                timeout_secs=self.dice.choice([None, 1, 100]),
                model=self.dice.choice([None, None, None, "gpt-99"]),
            ),
        )

    def exit(self) -> c.Command:
        outcome: c.Outcome = self.dice.choice(["completed", "failed", "budget", "stopped"])
        actor = self.anybody()
        return c.RecordExit(actor, outcome, self.dice.choice(["done", REPORT, ""]), "why")

    def wait(self) -> c.Command:
        targets = tuple(self.anybody() for _ in range(self.dice.randint(0, 3)))
        secs = self.dice.choice([None, 0, 50])
        return c.OpenWait(ROOT, self.tool_of(ROOT), targets, self.dice.random() < 0.5, secs)

    def shares(self) -> c.Command:
        actor = self.anybody()
        path = self.dice.choice(["/shared/x", "/ref/x", "/peer/self/x", "/leases/x", "nowhere"])
        if self.dice.random() < 0.3:
            return c.AwaitEntry(actor, self.tool_of(actor), path, self.dice.choice([1, 3]), 50)
        expected = self.dice.choice([None, 0, 1])
        return c.PutEntry(actor, self.tool_of(actor), path, "1", expected_version=expected)

    def leases(self) -> c.Command:
        actor = self.anybody()
        name, secs = self.dice.choice(["a", "a", "b", ""]), self.dice.choice([1, 50])
        everywhere, call = self.dice.random() < 0.3, self.tool_of(actor)
        key = f"{'' if everywhere else ROOT}|{name}"
        asked: list[c.Command] = [
            c.AcquireLease(actor, call, name, secs, self.dice.choice([0, 50]), everywhere),
            c.AcquireLease(actor, call, name, secs, self.dice.choice([0, 50]), everywhere),
            c.ReleaseLease(actor, call, name, everywhere),
            c.LeaveLease(actor, call),
            c.GrantLease(key),
            c.ExpireLease(key),
        ]
        return self.dice.choice(asked)

    def returned(self) -> c.Command:
        actor = self.anybody()
        return c.RecordToolResult(actor, self.tool_of(actor), "content", self.dice.random() < 0.2)

    def cut(self) -> c.Command:
        actor = self.anybody()
        return c.RecordCut(actor, self.call_of(actor), "cut", self.dice.random() < 0.5)

    def crash(self) -> c.Command:
        return c.RecordCrash(self.anybody(), "gone")

    def cancel(self) -> c.Command:
        return c.CancelActor(self.anybody(), "enough", self.dice.choice(["operator", ROOT]))

    def steer(self) -> c.Command:
        actor, whole = self.dice.choice([ROOT, self.anybody()]), self.dice.random() < 0.3
        by, call = self.dice.choice([("operator", CallId("")), (ROOT, self.tool_of(ROOT))])
        words = self.dice.choice(["Otherwise.", "Otherwise.", "", "x" * 20_000])
        asked: list[c.Command] = [
            c.PauseActor(actor, "cancel", "why", whole, by),
            c.PauseActor(actor, "freeze", "why", whole, by),
            c.ContinueActor(actor, words, whole, by, call),
            c.ContinueActor(actor, "", whole, by, call),
            c.RepromptActor(actor, words, by, call),
            c.SendMessage(actor, words, whole, by, call),
            c.RecordHalted(actor),
        ]
        return self.dice.choice(asked)

    def of_time(self) -> c.Command:
        actor = self.anybody()
        asked: list[c.Command] = [
            c.WarnActor(actor),
            c.ExpireActor(actor),
            c.WrapUpActor(actor),
        ]
        return self.dice.choice(asked)

    def of_run(self) -> c.Command:
        number = self.world.run.epoch + 1
        asked: list[c.Command] = [
            c.OwnRun(number, "next", self.dice.random() < 0.7),
            c.OwnRun(number, "next"),
            c.FinishRun(),
            c.ReopenRun(),
            c.ReopenRun(),
            c.DrainRun(),
            c.DrainRun(),
            c.CancelRun("enough"),
        ]
        if self.world.run.manifest is not None:
            asked.append(c.StartRun("again", self.world.run.manifest))
        asked += self.changes()
        return self.dice.choice(asked)

    def changes(self) -> list[c.Command]:
        budget = self.world.run.house.budget_nanousd * self.dice.choice([1, 2, 20]) // 2
        return [
            c.ChangeHouse(budget),
            c.ChangeHouse(None, self.dice.choice([1, 2, 9]), self.dice.choice([None, 1, 600])),
            c.MapPaths((self.dice.choice([("/a", "/b/a"), ("/b", "/"), ("/c", "/a")]),)),
            c.CancelWorkers(),
        ]


def lives(seed: int, steps: int = 60) -> Iterator[Life]:
    """One life, seen after each of its steps."""
    life = Life(seed)
    for _ in range(steps):
        life.step()
        yield life
