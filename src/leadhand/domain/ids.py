"""Ids: the kinds of id, and how one is told from another.

An actor's id is its path in the run: `root`, `root/W1`, `root/S1/W3`. Numbers are counted
from state, so nothing here draws randomness.
"""

from typing import NewType

RunId = NewType("RunId", str)
ActorId = NewType("ActorId", str)
CallId = NewType("CallId", str)

ROOT = ActorId("root")


def worker_id(parent: ActorId, number: int) -> ActorId:
    """The id of a parent's number-th worker."""
    return ActorId(f"{parent}/W{number}")


def sublead_id(parent: ActorId, number: int) -> ActorId:
    """The id of a parent's number-th sub-lead."""
    return ActorId(f"{parent}/S{number}")


def depth(actor: ActorId) -> int:
    """How many levels below the root an actor is."""
    return actor.count("/")


def parent_id(actor: ActorId) -> ActorId | None:
    """The id of an actor's parent; None for the root."""
    head, _, _ = actor.rpartition("/")
    return ActorId(head) if head else None


def short(actor: ActorId) -> str:
    """The last step of an actor's path, for people: `W3`."""
    return actor.rpartition("/")[2]


def as_file_name(actor: ActorId) -> str:
    """The actor's id as a file's name: `root.S1.W3`."""
    return actor.replace("/", ".")


def status_name(actor: ActorId) -> str:
    """The name of the file in which an actor may say how its work ended."""
    return f"{as_file_name(actor)}.json"
