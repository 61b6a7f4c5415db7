"""Checker: holds what a worker claims against its contract, in the place where it worked.

It believes nobody and repeats itself after a crash, so a contract's commands must be repeatable. A
check that cannot be made fails. All of it has one bound in time.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from leadhand.contracts import drift, files, looks, status_file
from leadhand.contracts.looks import Claim
from leadhand.contracts.returns import Judge
from leadhand.conversation import conversation
from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.contract import CHECKS_SECS, Evidence, evidence
from leadhand.domain.ids import ActorId, as_file_name, status_name
from leadhand.domain.rules.contract import DRIFT_MAX, TAME
from leadhand.errors import HarnessError, WorkspaceError
from leadhand.git import Git
from leadhand.harness import Harness, Owner
from leadhand.processes import Processes, clean_environment
from leadhand.tool import Caller, Tool
from leadhand.workspace import root_of

OUTPUT_KEEP_BYTES = 65_536
DRIFTED = (
    "\n[You have changed what you may not: {}. Undo it: what you do not claim refutes your work.]"
)
USERS_OWN = ("GIT_CONFIG_GLOBAL", "XDG_CONFIG_HOME")


class Checker:
    """Checks the actors of one run, and looks at how their files begin."""

    def __init__(
        self,
        owner: Owner,
        processes: Processes,
        environment: Mapping[str, str],
        worktrees: Path,
        status: Path,
    ) -> None:
        """environment: what commands may inherit. worktrees, status: of all actors; status: where
        those leave their files who have no tool to report."""
        self._owner, self._processes, self._environment = owner, processes, environment
        self._worktrees, self._status = worktrees, status
        self.judge = Judge(processes, clean_environment(environment, {}))

    def status_file(self, actor: ActorId, *, has_tool: bool = True) -> Path | None:
        """The file in which an actor may say how its work ended; None where it has a tool to
        report, and the house rules name no folder."""
        named = self._owner.run.house.status_dir
        if has_tool and not named:
            return None
        return (Path(named) if named else self._status) / status_name(actor)

    async def begin(self, actor: ActorId, *, has_tool: bool = True) -> None:
        """Look at how the files of an actor begin, before its first session of a stint, and take
        away what would count as its status file. Raises WorkspaceError."""
        one = self._owner.run.actors.get(actor)
        if one is None or one.role != "worker" or one.duty.kept:
            return
        path = self.status_file(actor, has_tool=has_tool)
        if not one.duty.demands and path is None:
            return
        if path is not None:
            status_file.make_folder(path.parent)
            status_file.forget(path)
        claim = await self._claim(actor)
        digests = await asyncio.to_thread(
            lambda: tuple((name, files.digest(claim.root, name)) for name in claim.contract.changed)
        )
        await self._owner.submit(c.RecordBeginning(actor, digests))

    async def after(self, caller: Caller, tool: Tool) -> str:
        """What is to be told after a tool call of who claims what it writes: which files are
        changed beside that. Nothing is undone."""
        workspace = self._owner.run.workspaces.get(caller.actor_id)
        bound = caller.writes or caller.plan is not None
        if not bound or workspace is None or not may_drift(tool):
            return ""
        git = self._git(caller.actor_id)
        try:
            found = await drift.changed(git, self._top(caller.actor_id), workspace)
        except WorkspaceError:
            # The check at its end says what is wrong.
            return ""
        outside = drift.outside(found, workspace.inner, caller.writes) if caller.writes else []
        if caller.plan is not None:
            outside += drift.unplanned(found, workspace.inner, caller.plan)
        outside = [*dict.fromkeys(outside)][:DRIFT_MAX]
        if not outside:
            return ""
        drifted = c.RecordDrift(caller.actor_id, caller.call_id, tuple(outside))
        await self._owner.submit(drifted)
        return DRIFTED.format(", ".join(outside))

    async def check(self, actor: ActorId, *, has_tool: bool = True) -> None:
        """Check what an actor claims, and tell what was found."""
        claim = await self._claim(actor)
        found: list[Evidence] = []
        delivery, path = None, self.status_file(actor, has_tool=has_tool)
        if claim.delivery is None and path is not None:
            try:
                delivery = await asyncio.to_thread(status_file.read, path)
            except status_file.StatusFault as fault:
                found.append(
                    evidence("status", str(path), ok=False, detail=f"status file: {fault}")
                )
        # What a worker says is searched and judged in whichever form it came.
        if delivery is not None:
            claim = replace(claim, delivery=delivery)
        over = time.monotonic() + CHECKS_SECS
        found += [each async for each in self._found(claim, over)]
        words = delivery.summary if delivery is not None else claim.words
        await self._owner.submit(c.RecordChecks(actor, tuple(found), words, delivery))

    async def _claim(self, actor: ActorId) -> Claim:
        history = await self._owner.history(actor)
        spawned = conversation(history).spawned
        if spawned is None:
            raise HarnessError(f"{actor} was never spawned")
        digests: dict[str, str] = {}
        delivery, words = None, ""
        for event in history:
            match event:
                case e.ActorContinued():
                    digests, delivery, words = {}, None, ""
                case e.BeginningKept():
                    digests = dict(event.digests)
                case e.OutcomeReported():
                    delivery = event.delivery
                case e.OutcomeClaimed():
                    words = event.final
                case _:
                    pass
        workspace = self._owner.run.workspaces.get(actor)
        return Claim(
            actor=actor,
            settings=spawned.settings,
            contract=spawned.contract,
            root=root_of(actor, spawned.settings.directory, workspace, self._worktrees),
            digests=digests,
            delivery=delivery,
            words=words,
            workspace=workspace,
            top=self._top(actor),
        )

    async def _found(self, claim: Claim, over: float) -> AsyncIterator[Evidence]:
        """What the checks find, those that change nothing first. over: monotonic seconds."""
        env = clean_environment(self._environment, claim.settings.env or {})
        if claim.contract.returns:
            yield await self._returned(claim)
        for each in await asyncio.to_thread(lambda: [*looks.at_files(claim)]):
            yield each
        changed: list[str] = []
        if claim.workspace is not None:
            try:
                changed = await drift.changed(self._git(claim.actor), claim.top, claim.workspace)
            except WorkspaceError as error:
                if claim.contract.writes:
                    yield evidence("writes", "the worktree", ok=False, detail=error.message)
            else:
                for each in await asyncio.to_thread(lambda: [*looks.at_drift(claim, changed)]):
                    yield each
        if claim.contract.forbid:
            for each in await asyncio.to_thread(lambda: [*looks.for_forbidden(claim, changed)]):
                yield each
        for command in claim.contract.commands:
            yield await self._ran(claim, command, env, over - time.monotonic())

    async def _returned(self, claim: Claim) -> Evidence:
        value = claim.delivery.returns if claim.delivery else ""
        if not value:
            return evidence("returns", "the value", ok=False, detail="nothing was returned")
        wrong = await self.judge.faults(claim.actor, claim.contract.returns, value)
        return evidence("returns", "the value", ok=not wrong, detail="; ".join(wrong))

    async def _ran(
        self, claim: Claim, command: str, env: Mapping[str, str], left: float
    ) -> Evidence:
        """Run one command to its end, with nothing of it left behind."""
        secs = min(float(claim.contract.command_timeout_secs), left)
        if secs <= 0:
            why = f"not run: the checks of one worker have {CHECKS_SECS} s in all"
            return evidence("commands", command, ok=False, detail=why)
        shell = shutil.which("bash", path=env.get("PATH")) or "/bin/sh"
        try:
            finished = await self._processes.run(
                [shell, "-c", command],
                actor_id=claim.actor,
                cwd=claim.root,
                env=env,
                timeout_secs=secs,
                keep_bytes=OUTPUT_KEEP_BYTES,
            )
        except (OSError, ValueError) as error:
            why = f"cannot be started: {getattr(error, 'strerror', None) or error}"
            return evidence("commands", command, ok=False, detail=why)
        if finished.timed_out:
            return evidence("commands", command, ok=False, detail=f"not over after {secs:.0f} s")
        said = finished.output.decode(errors="replace").strip()[-300:]
        if finished.exit_code == 0:
            return evidence("commands", command, ok=True)
        how = f"exit code {finished.exit_code}" + (f": {said}" if said else "")
        return evidence("commands", command, ok=False, detail=how)

    def _top(self, actor: ActorId) -> Path:
        return self._worktrees / as_file_name(actor)

    def _git(self, actor: ActorId) -> Git:
        # Whose settings may say which repositories are trusted.
        own = {each: self._environment[each] for each in USERS_OWN if each in self._environment}
        return Git(self._processes, clean_environment(self._environment, own), actor)


def may_drift(tool: Tool) -> bool:
    """Whether a tool may change what it is not asked to: it has effects, and no path that is
    looked at first."""
    return tool.effect == "effects" and tool.name not in TAME


class CheckedHarness:
    """A harness of any kind whose actors' beginnings are kept for their checks."""

    def __init__(self, owner: Owner, checker: Checker, harness: Harness) -> None:
        self._owner, self._checker, self._harness = owner, checker, harness

    async def run(self, actor: ActorId) -> None:
        """See `harness.Harness.run`. One without a place for its status file never begins."""
        try:
            await self._checker.begin(actor)
        except WorkspaceError as error:
            await self._owner.submit(c.RecordExit(actor, "unplaced", error=error.message))
            return
        await self._harness.run(actor)
