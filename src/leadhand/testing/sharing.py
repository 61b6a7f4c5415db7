"""Sharing: what simulated actors do with the shared store and leases, and what a log must show."""

from random import Random
from typing import Any

import msgspec

from leadhand.domain import events as e
from leadhand.domain.state import Run

Call = tuple[str, dict[str, Any]]

PATHS = ("/shared/n", "/shared/n", "/shared/go", "/ref/spec", "/peer/self/x", "/peer/W1/x")
NAMES = ("a", "a", "a", "b")
LONG = 5_000


def calls(dice: Random) -> tuple[Call, ...]:
    """What an actor shares in one turn: mostly nothing."""
    if dice.random() > 0.5:
        return ()
    return tuple(dice.choice(DEEDS)(dice) for _ in range(dice.choice((1, 1, 2))))


def write(dice: Random) -> Call:
    """A write, allowed or not, of something short or long."""
    value = dice.choice((dice.randint(0, 9), "x" * LONG, {"step": [1, None]}))
    return "kv_set", {"path": dice.choice((*PATHS, "/leases/a", "/../x")), "value": value}


def swap(dice: Random) -> Call:
    """A compare with a version that may be the present one."""
    args = {"path": dice.choice(PATHS), "expected_version": dice.choice((0, 0, 1, 2, 3))}
    return "kv_cas", args | {"value": dice.randint(0, 9)}


def read(dice: Random) -> Call:
    """A look at one entry, or at all."""
    return dice.choice((("kv_get", {"path": dice.choice(PATHS)}), ("kv_list", {"prefix": "/"})))


def wait(dice: Random) -> Call:
    """A wait for an entry, which may never come."""
    args: dict[str, Any] = {"path": dice.choice(PATHS), "min_version": dice.choice((1, 1, 2, 5))}
    if dice.random() < 0.8:
        args["timeout_secs"] = dice.choice((0, 1, 20))
    return "kv_wait", args


def acquire(dice: Random) -> Call:
    """A lease for a while, at once or after a wait."""
    args = {
        "name": dice.choice(NAMES),
        "ttl_secs": dice.choice((1, 5, 60)),
        "wait_secs": dice.choice((0, 2, 30, 30)),
    }
    return dice.choice(("lease_acquire", "lease_acquire", "run_lease_acquire")), args


def release(dice: Random) -> Call:
    """A release of what it holds, or does not."""
    return dice.choice(("lease_release", "run_lease_release")), {"name": dice.choice(NAMES)}


DEEDS = (write, swap, read, wait, acquire, acquire, release)


def of_entries(events: list[e.Event]) -> list[str]:
    """Faults of the entries of a log: versions rise by one, and a call writes once."""
    faults = []
    versions: dict[tuple[str, str], int] = {}
    wrote: set[tuple[str, str]] = set()
    for event in events:
        if not isinstance(event, e.EntryPut):
            continue
        place = (event.layer, event.path)
        if event.version != versions.get(place, 0) + 1:
            faults.append(f"{event.path}: version {event.version} follows {versions.get(place, 0)}")
        versions[place] = event.version
        if (event.actor, event.call) in wrote:
            faults.append(f"{event.call}: wrote twice")
        wrote.add((event.actor, event.call))
    return faults


class Holdings:
    """Who holds what, by the events alone."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[str, int]] = {}
        self.fences: dict[str, int] = {}
        self.calls: dict[str, tuple[str, str]] = {}
        self.faults: list[str] = []

    def add(self, event: e.Event) -> None:
        """Take in one more event."""
        match event:
            case e.LeaseGranted():
                if event.lease in self.held:
                    self.faults.append(f"{event.lease}: two hold it: {self.held[event.lease]}")
                if event.fence <= self.fences.get(event.lease, 0):
                    self.faults.append(f"{event.lease}: fence {event.fence} does not rise")
                self.fences[event.lease] = event.fence
                self.held[event.lease] = (event.actor, event.fence)
                self.calls[event.lease] = (event.actor, event.call)
            case e.LeaseReleased() | e.LeaseExpired():
                if self.held.pop(event.lease, None) != (event.actor, event.fence):
                    self.faults.append(f"{event.lease}: was freed by one who did not hold it")
            case e.ActorSettled():
                self.held = {k: each for k, each in self.held.items() if each[0] != event.actor}
            case e.ToolReturned() if '"acquired":' in event.content[:300]:
                self.told(event)
            case _:
                pass

    def told(self, event: e.ToolReturned) -> None:
        """What an actor was told of a lease is what it got."""
        answer = msgspec.json.decode(event.content)
        mine = (event.actor, event.call)
        if not answer["acquired"] and any(self.calls[key] == mine for key in self.held):
            self.faults.append(f"{event.call}: holds a lease and was told that it does not")
        if answer["acquired"] and answer["fence"] not in self.fences.values():
            self.faults.append(f"{event.call}: was told of a fence that nobody got")


def of_leases(events: list[e.Event], run: Run) -> list[str]:
    """Faults of the leases of a finished run's log."""
    found = Holdings()
    for event in events:
        found.add(event)
    held = [key for key, lease in run.leases.items() if lease.holder or lease.queue]
    if held or found.held:
        found.faults.append(f"leases are held in a finished run: {held or found.held}")
    return found.faults
