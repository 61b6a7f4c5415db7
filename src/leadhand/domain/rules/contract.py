"""Contract: who says done is checked, and settles by what is found.

Law: report and checks are the truth, prose is not.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain import globs, notices
from leadhand.domain.clock import At, Now
from leadhand.domain.contract import Contract, Delivery, Verdict, failing, faults, shown
from leadhand.domain.ids import ActorId
from leadhand.domain.manifest import Settings
from leadhand.domain.state import Actor, Duty, Run, Told
from leadhand.domain.text import one_line
from leadhand.refusals import InvalidArguments, WriteClaimOverlaps

EVIDENCE_MAX = 500
DRIFT_MAX = 20
# The tools that write nothing beside what they are asked to, and are refused outside a claim.
TAME = ("Read", "Write", "Edit", "Git", "Glob", "Grep", "WebFetch")


def begun(run: Run, command: c.RecordBeginning, now: Now) -> list[e.Event]:
    """Keep how the files of an actor began, once a stint."""
    actor = run.actors.get(command.actor)
    if actor is None or actor.duty.kept:
        return []
    return [e.BeginningKept(actor.id, digests=command.digests)]


def drifted(run: Run, command: c.RecordDrift, now: Now) -> list[e.Event]:
    """Keep what a live actor has changed beside its claim."""
    actor = run.actors.get(command.actor)
    if actor is None or not command.paths:
        return []
    paths = tuple(one_line(each, 300) for each in command.paths[:DRIFT_MAX])
    return [e.DriftFound(actor.id, call=command.call, paths=paths)]


def reported(run: Run, command: c.RecordOutcome, now: Now) -> list[e.Event]:
    """Keep what a worker reports; the last report counts."""
    actor = run.actors.get(command.actor)
    if actor is None or actor.duty.claimed_at is not None:
        return []
    told = actor.duty.told
    if told is not None and told.call == command.call:
        return []
    return [e.OutcomeReported(actor.id, call=command.call, delivery=command.delivery)]


def at_exit(run: Run, actor: Actor, command: c.RecordExit) -> list[e.Event]:
    """What comes before a worker settles whose session completed: it is asked for the value that
    it owes, once, or its work is checked. Nothing where neither is to be."""
    duty = actor.duty
    if actor.role == "tasks" or command.outcome != "completed" or actor.ending is not None:
        return []
    if duty.told is not None and duty.told.status != "completed":
        return []
    may_go_on = not actor.final and actor.turns < actor.turns_max
    if owes(run, duty) and may_go_on and not duty.asked:
        return [
            e.OutcomeAsked(actor.id),
            notices.notice(actor, "report", notices.NO_OUTCOME),
        ]
    if duty.demands or (run.house.status_dir and actor.role == "worker"):
        return [e.OutcomeClaimed(actor.id, final=command.final)]
    return []


def owes(run: Run, duty: Duty) -> bool:
    """Whether a value is owed that no report has brought, and no status file may bring."""
    brought = duty.told is not None and duty.told.returned
    return duty.returns and not brought and not run.house.status_dir


def checked(run: Run, command: c.RecordChecks, now: Now) -> list[e.Event]:
    """Settle an actor by what its checks found."""
    actor = run.actors.get(command.actor)
    if actor is None or actor.duty.claimed_at is None or actor.ending is not None:
        return []
    events: list[e.Event] = []
    status, words = said(actor)
    if actor.duty.told is None and command.delivery is not None:
        events.append(e.OutcomeReported(actor.id, delivery=command.delivery, by="file"))
        status, words = command.delivery.status, one_line(command.delivery.summary)
    # What fails is kept before what holds.
    found = sorted(command.evidence, key=lambda each: each.ok)[:EVIDENCE_MAX]
    events.append(e.ChecksRecorded(actor.id, evidence=tuple(found)))
    bad = failing(found)
    outcome: Verdict = "refuted" if bad else "verified" if found else "unverified"
    settled = e.ActorSettled(actor.id, final=command.final, outcome=outcome)
    if status != "completed":
        outcome = "refuted" if bad else "unverified"
        error = f"reported {status}: {words}"
        settled = replace(settled, status="Failed", error=error, outcome=outcome)
    elif bad:
        settled = replace(settled, status="Failed", error=f"refuted: {shown(bad[0])}")
    return [*events, settled]


def said(actor: Actor) -> tuple[str, str]:
    """How a worker says that its work ended, and in which words; without a report, that it is
    completed."""
    told = actor.duty.told
    return (told.status, told.preview) if told else ("completed", "")


def denial(actor: Actor) -> str:
    """Why a session that completed is no success: its own report. Empty where it says nothing
    against it."""
    status, words = said(actor)
    return "" if status == "completed" else f"reported {status}: {words}"


def possible(settings: Settings, contract: Contract) -> None:
    """Raise InvalidArguments unless a contract can be kept and checked."""
    for kind, at, why in faults(contract):
        place = kind if at is None else f"{kind}[{at}]"
        raise InvalidArguments(f"{place}: {why}")
    wild = [tool for tool in settings.tools or () if tool not in TAME]
    if contract.writes and wild and not settings.use_worktree:
        raise InvalidArguments(
            f"writes: what {', '.join(wild)} writes is seen only in a git worktree of its own, and "
            "this worker has none",
            f"Give it tools without {', '.join(wild)}, or let it work in a git repository, or "
            "leave writes out.",
        )


def check_claim(run: Run, settings: Settings, writes: tuple[str, ...]) -> None:
    """Raise WriteClaimOverlaps where a live worker may write what this one claims."""
    for other in run.actors.values() if writes else ():
        for theirs in other.duty.writes:
            for ours in writes:
                if meet(settings.directory or "", ours, other.directory, theirs):
                    raise WriteClaimOverlaps(
                        f"{one_line(ours, 100)} overlaps {one_line(theirs, 100)}, which "
                        f"{other.id} ({other.label or other.agent or 'live'}) may write"
                    )


def meet(directory: str, glob: str, other_directory: str, other_glob: str) -> bool:
    """Whether two claims, each of its own directory, mean the same file."""
    return globs.overlap(
        (*globs.literal(directory), *globs.pattern(glob)),
        (*globs.literal(other_directory), *globs.pattern(other_glob)),
    )


def evolve_spawned(run: Run, event: e.ActorSpawned, at: At) -> None:
    """Remember what the actor owes."""
    asked = event.contract
    run.actors[event.actor].duty = Duty(
        demands=asked.demands, returns=bool(asked.returns), writes=asked.writes
    )


def evolve_kept(run: Run, event: e.BeginningKept, at: At) -> None:
    """How its files began is in the log."""
    run.actors[event.actor].duty.kept = True


def evolve_reported(run: Run, event: e.OutcomeReported, at: At) -> None:
    """Remember what it said, in short."""
    actor, delivery = run.actors[event.actor], event.delivery
    actor.duty.told = Told(
        delivery.status, preview(delivery), actor.turns, event.call, bool(delivery.returns)
    )


def preview(delivery: Delivery) -> str:
    """A report on one line."""
    return one_line(delivery.summary)


def evolve_asked(run: Run, event: e.OutcomeAsked, at: At) -> None:
    """It is asked once."""
    run.actors[event.actor].duty.asked = True


def evolve_claimed(run: Run, event: e.OutcomeClaimed, at: At) -> None:
    """Its session is over: its own time no longer counts, the checks have a bound of theirs."""
    actor = run.actors[event.actor]
    actor.duty.claimed_at = at.now.run_ms
    # What is paused is a session.
    run.paused -= actor.paused is not None
    actor.paused = None
    actor.deadline = actor.stop_at = None
    actor.crashes = 0


def renewed(duty: Duty) -> Duty:
    """What an actor owes that begins another stint."""
    return Duty(demands=duty.demands, returns=duty.returns, writes=duty.writes)


def broken(run: Run) -> Iterator[str]:
    """What must always hold of claims and checks."""
    claims: list[tuple[ActorId, str, str]] = []
    for each in run.actors.values():
        if each.duty.claimed_at is not None and (each.call or each.deferral):
            yield f"{each.id}: is checked while its session goes on"
        if each.duty.claimed_at is not None and (each.paused or each.halting):
            yield f"{each.id}: is checked, and paused or to halt"
        for mine in each.duty.writes:
            for other, directory, theirs in claims:
                if other != each.id and meet(each.directory, mine, directory, theirs):
                    yield f"{each.id} and {other} may both write {mine}"
            claims.append((each.id, each.directory, mine))
    for record in run.records.values():
        if record.outcome == "refuted" and record.status == "Success":
            yield f"{record.id}: is refuted, and a success"
        told = record.duty.told
        if record.status == "Success" and told is not None and told.status != "completed":
            yield f"{record.id}: reported {told.status}, and is a success"
