"""Why: what an actor waits for, since when, what happens next, and what it has cost."""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from leadhand.domain import events as e
from leadhand.domain.contract import failing, shown
from leadhand.domain.ids import ActorId
from leadhand.domain.layers import lease_name
from leadhand.domain.ledger import free
from leadhand.domain.money import as_usd, show
from leadhand.domain.rules.actor import CRASHES_MAX
from leadhand.domain.rules.approval import open_questions
from leadhand.domain.state import Actor, Record, Run
from leadhand.views.waiting import Scene, waits_for
from leadhand.views.words import (
    counted,
    line,
    listed,
    span,
    state_of,
)

# The events that an explanation may need beside the state.
TELLING = (
    e.ActorEnding,
    e.CallCut,
    e.ChecksRecorded,
    e.ReportChecked,
    e.RunCancelled,
    e.SessionCrashed,
    e.SpawnRefused,
)
# How many failing checks an explanation names.
FAILED_SHOWN = 10


class Why(Struct, frozen=True, omit_defaults=True):
    """One explanation. about: an actor's id, or empty for the run. waiting_ms: how long it has
    waited; left_ms: how long until `next` happens at the latest; both in run time."""

    about: str
    state: str
    waits_for: str = ""
    waiting_ms: int | None = None
    next: str = ""
    left_ms: int | None = None
    cost_usd: float = 0.0
    sentences: tuple[str, ...] = ()


def actor(run: Run, actor_id: ActorId, scene: Scene) -> Why:
    """Why an actor stands as it does."""
    record = run.records.get(actor_id)
    if record is not None:
        return of_settled(run, record, scene)
    one = run.actors[actor_id]
    stands = waits_for(run, one, scene)
    now_ms = scene.now.run_ms
    waiting_ms = None if stands.since is None else max(0, now_ms - stands.since)
    already = "" if waiting_ms is None else f", for {span(waiting_ms)} now"
    sentences = [
        f"{called(one)} is {state_of(one)}.",
        f"It waits for {stands.target}{already}.",
        *unowned(run, one, scene),
        f"Next: {stands.next}{within(stands.until, now_ms)}.",
        *still_asks(one),
        *its_time(run, one, now_ms),
        *its_envelope(run, one),
        *troubles(one, scene),
        *holds(run, one, now_ms),
        spent(one),
    ]
    return Why(
        about=one.id,
        state=state_of(one) if scene.held else "interrupted",
        waits_for=stands.target,
        waiting_ms=waiting_ms,
        next=stands.next,
        left_ms=None if stands.until is None else max(0, stands.until - now_ms),
        cost_usd=as_usd(one.spent),
        sentences=tuple(sentences),
    )


def called(one: Actor | Record) -> str:
    """An actor with its label."""
    return f"{one.id} ({line(one.label, 80)})" if one.label else one.id


def holds(run: Run, one: Actor, now_ms: int) -> Iterator[str]:
    """The leases that others may wait for because of an actor."""
    held = []
    for key in one.leases:
        lease = run.leases[key]
        others = f" ({counted(len(lease.queue), 'other')} waiting)" if lease.queue else ""
        held.append(f"{lease_name(key)} for {span(lease.until - now_ms)} more{others}")
    if held:
        yield f"It holds {'the lease' if len(held) == 1 else 'the leases'} {listed(held)}."


def unowned(run: Run, one: Actor, scene: Scene) -> Iterator[str]:
    """What it means for an actor that nobody runs the run."""
    if scene.held:
        return
    yield f"But nobody runs the run: its clock stands still until `{scene.resume}`."
    if one.ending is not None:
        return
    if one.call is not None:
        bound = show(one.call.bound)
        yield f"Then the call in flight counts as spent ({bound}) and is asked again."
    asked = {call for call, each in one.approvals.items() if not each.used}
    if any(each.effect == "effects" and each.call not in asked for each in one.tools.values()):
        yield "Then its model is told that the outcome of the open tool call is unknown."


def within(until: int | None, now_ms: int) -> str:
    """Until when at the latest."""
    if until is None:
        return ""
    return f", in {span(until - now_ms)} at the latest" if until > now_ms else ", now"


def its_time(run: Run, one: Actor, now_ms: int) -> Iterator[str]:
    """How an actor's own time runs out, and what follows."""
    if one.ending is not None:
        return
    if one.stop_at is not None:
        yield f"It ends in {span(one.stop_at - now_ms)} at the latest: {one.stop_why}."
    elif one.deadline is not None and one.paused is not None:
        still = span(one.deadline - one.paused.since)
        yield f"Its own time stands still, with {still} left (of {span(one.timeout_ms)})."
    elif one.deadline is not None:
        left = f"Its own time is up in {span(one.deadline - now_ms)} (of {span(one.timeout_ms)})"
        if one.role == "worker":
            yield f"{left}; it then settles as TimedOut."
        else:
            grace = span(run.house.grace_secs * 1000)
            yield f"{left}; its workers then have {grace} to wrap up, and it has one last turn."


def still_asks(one: Actor) -> Iterator[str]:
    """What a paused actor has asked, beside that it is paused."""
    if one.paused is None or one.ending is not None:
        return
    for each in open_questions(one):
        left = span(each.until - max(one.paused.since, each.since))
        yield (
            f"It has asked the operator ({each.id}: {line(each.summary, 160)}), who may answer "
            f"now; the time of that stands still, with {left} left."
        )


def its_envelope(run: Run, one: Actor) -> Iterator[str]:
    """What a sub-lead has for itself and all below it, and how much of it is left."""
    if one.role != "sublead":
        return
    own = run.envelopes[one.id]
    yield (
        f"It and all below it have cost {show(own.spent)} of {show(own.limit)}, "
        f"{show(free(own))} is free; {one.workers_live} of at most "
        f"{counted(one.max_workers, 'worker')} live."
    )


def troubles(one: Actor, scene: Scene) -> Iterator[str]:
    """What has gone wrong with a live actor so far."""
    if one.winding:
        yield f"It was told to wind down ({one.winding})."
    if one.mail:
        verb = "goes" if len(one.mail) == 1 else "go"
        yield f"{counted(len(one.mail), 'message')} to it {verb} with its next call."
    crashes = [each for _, each in scene.happened if isinstance(each, e.SessionCrashed)]
    errors = [each.error for each in crashes if each.actor == one.id]
    if one.crashes and errors:
        yield (
            f"Its session crashed {counted(one.crashes, 'time')} in a row, the last time with "
            f'"{line(errors[-1])}"; {CRASHES_MAX} in a row fail it.'
        )
    if one.refusals_in_row:
        yield f"Turns in a row whose spawns were refused: {one.refusals_in_row}{codes(scene)}."


def codes(scene: Scene) -> str:
    """Why spawns of the run were refused, with how often."""
    refused = [each for _, each in scene.happened if isinstance(each, e.SpawnRefused)]
    found = Counter(each.code for each in refused).most_common()
    return f" ({', '.join(f'{number} {code}' for code, number in found)})" if found else ""


def spent(one: Actor | Record) -> str:
    """What an actor itself has cost."""
    call = one.call if isinstance(one, Actor) else None
    more = f"; {show(call.bound)} more is reserved for the call in flight" if call else ""
    return f"It has cost {show(one.spent)} in {counted(one.turns, 'turn')}{more}."


def checks(record: Record, own: Sequence[e.Event]) -> Iterator[str]:
    """What a settled actor reported, and what the checks of its last stint found."""
    if record.duty.told is not None:
        yield f'It reported {record.duty.told.status}: "{line(record.duty.told.preview)}"'
    found = [each.evidence for each in own if isinstance(each, e.ChecksRecorded)]
    if record.outcome == "unverified" or not found:
        return
    bad = failing(found[-1])
    yield f"Of {counted(len(found[-1]), 'check')} {len(bad)} failed."
    yield from (f"Failed: {line(shown(each), 300)}." for each in bad[:FAILED_SHOWN])


def of_settled(run: Run, record: Record, scene: Scene) -> Why:
    """Why a settled actor settled as it did."""
    own = [each for _, each in scene.happened if each.actor == record.id]
    by = [each.by for each in own if isinstance(each, e.ActorEnding)]
    how = f"{called(record)} settled as {record.status} after {span(record.duration_ms)}"
    how += f": {line(record.error, 500)}" if record.error else ""
    outcome = f", {record.outcome}" if record.outcome != "unverified" else ""
    how = how.replace(record.status, f"{record.status}{outcome}", 1)
    sentences = [how + (f" (by {by[-1]})." if by else ".")]
    if not record.turns and record.status != "SpawnFailed":
        sentences.append("It never had a turn: its model gave no answer.")
    for each in own if record.status != "Success" else ():
        if isinstance(each, e.SessionCrashed):
            sentences.append(f"Its session crashed: {line(each.error, 300)}.")
        elif isinstance(each, e.CallCut):
            sentences.append(f"A call of it ended without an answer: {line(each.why)}.")
    sentences += checks(record, own)
    if record.preview:
        sentences.append(f'Its last words: "{line(record.preview)}"')
    workspace = run.workspaces.get(record.id)
    if workspace is not None and workspace.state == "kept":
        sentences.append(f"Its worktree stays: {line(workspace.why)}.")
    after = "nothing, for it has settled"
    if record.parent in run.actors:
        after += f"; {record.parent} decides what follows"
    sentences += [f"Next: {after}.", spent(record)]
    return Why(
        about=record.id,
        state=record.status,
        next=after,
        cost_usd=as_usd(record.spent),
        sentences=tuple(dict.fromkeys(sentences)),
    )
