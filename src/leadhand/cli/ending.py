"""Ending: how a command ends: its exit code, and one clear message for whatever went wrong."""

import errno
import os
import stat
import sys
import tempfile
import traceback
from contextlib import suppress

import click

from leadhand import __version__
from leadhand.cli import drop_output
from leadhand.cli.group import call
from leadhand.errors import Bug, LeadhandError, ManifestError
from leadhand.refusals import Refused

SUCCEEDED, FAILED, AT_FAULT, BUG, INTERRUPTED, UNREAD = 0, 1, 2, 70, 130, 141


def run(arguments: list[str]) -> int:
    """Carry out a command line, with no traceback whatever happens; its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # What a terminal's encoding lacks is shown as a question mark.
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = call(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        complain("interrupted")
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 (the last one who can say it in words)
        code = UNREAD if nobody_reads(error) else explain(error)
    drop_output()
    return code


def nobody_reads(error: Exception) -> bool:
    """Whether an error says that the reader of our output, or its terminal, has gone away."""
    if not isinstance(error, OSError):
        return False
    # A closed terminal answers EIO, as a broken disk does.
    hung_up = error.errno == errno.EIO and stat.S_ISCHR(os.fstat(1).st_mode)
    return error.errno == errno.EPIPE or hung_up


def explain(error: Exception) -> int:
    """Say what went wrong, and give the exit code for it."""
    match error:
        case click.ClickException():
            with suppress(OSError):
                error.show()
            return AT_FAULT
        case click.Abort():
            return INTERRUPTED
        case Bug():
            return report_bug(error)
        case ManifestError():
            complain(error.message, prefix="")
        case Refused():
            complain(f"{error.message}. {error.next_step}".rstrip(". ") + ".")
        case LeadhandError():
            complain(error.message)
        case OSError():
            where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
            complain(f"{where}{error.strerror or error}")
        case _:
            return report_bug(error)
    return AT_FAULT


def complain(message: str, prefix: str = "Error: ") -> None:
    """Print a message for people on stderr; nothing more can be done where that fails."""
    from leadhand.views.words import plain

    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(plain(f"{prefix}{message}\n"))
            sys.stderr.flush()


def report_bug(error: BaseException) -> int:
    """One line about what only we can put right, and the details in a file."""
    details = "".join(traceback.format_exception(error))
    name = f"{type(error).__name__}: {str(error) or 'no message'}".splitlines()[0]
    try:
        from leadhand.stores.codec import Secrets, secrets_of

        details = Secrets(secrets_of(os.environ)).clean(details)
        handle, path = tempfile.mkstemp(prefix="leadhand-bug-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(f"leadhand {__version__}, python {sys.version}\n{sys.argv}\n\n{details}")
    except OSError as no_file:
        path = f"nowhere ({no_file})"
    complain(
        f"this is a bug in Leadhand ({name}). The details are in {path}; please report it. "
        "No run is lost by it: `leadhand resume` continues one that was under way.",
        prefix="",
    )
    return BUG
