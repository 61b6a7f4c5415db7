"""Errors: every error of Leadhand, sorted by who can put it right.

What the caller can put right, often a model, is a refusal: see refusals.py.
"""

from collections.abc import Sequence
from typing import Literal


class LeadhandError(Exception):
    """Something went wrong."""

    def __init__(self, message: str = "") -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split())
        super().__init__(self.message)


# The operator can put it right.


class Fault(LeadhandError):
    """One fault of a manifest: where it is, what is wrong, how to mend it."""

    def __init__(
        self, message: str, *, file: str = "", line: int = 0, key: str = "", mend: str = ""
    ) -> None:
        super().__init__(message)
        self.file, self.line, self.key, self.mend = file, line, key, mend

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = [f"{place}: " if place else "", f"{self.key}: " if self.key else "", self.message]
        return "".join(parts) + (f". {self.mend}" if self.mend else "")


class ManifestError(LeadhandError):
    """The manifest has faults."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class UsageError(LeadhandError):
    """The command was given something that does not exist or does not fit."""


# The machine may put it right.


class StoreError(LeadhandError):
    """The store failed."""

    def __init__(self, message: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class NotOwner(StoreError):
    """Another process owns this run now."""


class WorkspaceError(LeadhandError):
    """The worktree cannot be made."""


class HarnessError(LeadhandError):
    """The harness failed."""

    def __init__(self, message: str = "", *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class NotifyError(LeadhandError):
    """A sink could not be told. retry_after_secs: how long it asks to wait. Its words hold no
    secret."""

    def __init__(
        self, message: str = "", *, retryable: bool = True, retry_after_secs: float | None = None
    ) -> None:
        super().__init__(message)
        self.retryable, self.retry_after_secs = retryable, retry_after_secs


ModelErrorKind = Literal[
    "rate_limited",  # too many requests or tokens for now
    "overloaded",  # the provider has too much to do
    "quota",  # no money or allowance is left until resets_at, if that is known
    "server",  # the provider broke
    "bad_request",  # it will never accept this request
    "context_exceeded",  # the conversation is longer than the model can read
    "auth",  # the key is missing, wrong, or may not do this
    "network",  # it could not be reached, or went away before it answered
    "stream_cut",  # it went away in the middle of its answer
    "timeout",  # it was too slow: to connect, to begin, between words, or in all
    "protocol",  # what it sent is not what was agreed
]
_PASSING = ("rate_limited", "overloaded", "server", "network", "stream_cut", "timeout")


class ModelError(LeadhandError):
    """The model's service failed.

    kind: what went wrong; the same request may succeed later (retryable) where that passes by
    itself. billed: whether the provider may have charged for the call; then its whole reservation
    counts. retry_after_secs: how long the provider asks to wait. resets_at: wall clock in
    milliseconds when a quota comes back, if known.
    """

    def __init__(
        self,
        message: str = "",
        *,
        kind: ModelErrorKind = "protocol",
        retryable: bool | None = None,
        billed: bool = True,
        retry_after_secs: float | None = None,
        resets_at: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: ModelErrorKind = kind
        self.retryable = kind in _PASSING if retryable is None else retryable
        self.billed, self.retry_after_secs, self.resets_at = billed, retry_after_secs, resets_at


# Only we can put it right.


class Bug(LeadhandError):
    """This cannot happen; please report it."""
