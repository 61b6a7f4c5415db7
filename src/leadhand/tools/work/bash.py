"""Bash: the tool that runs a command in a shell, bounded in time and in what it shows."""

import shutil
from typing import Annotated

from msgspec import Meta, Struct

from leadhand.processes import Finished
from leadhand.refusals import InvalidArguments, ToolFailed
from leadhand.spool import KEEP_BYTES_MAX
from leadhand.tool import Caller, Tool
from leadhand.tools.work.output import shown_output
from leadhand.tools.work.write import encoded

TIMEOUT_DEFAULT_MS = 120_000
TIMEOUT_MAX_MS = 600_000
# Linux refuses a single argument of 128 KiB, its end included.
_COMMAND_MAX_BYTES = 131_071


class BashArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """What Bash takes."""

    command: Annotated[str, Meta(description="The command, as a shell takes it.")]
    timeout: Annotated[
        int,
        Meta(
            gt=0,
            le=TIMEOUT_MAX_MS,
            description=f"Milliseconds until it is stopped; {TIMEOUT_DEFAULT_MS} if left out.",
        ),
    ] = TIMEOUT_DEFAULT_MS
    description: Annotated[str, Meta(description="What it does, in a few words.")] = ""


async def bash(caller: Caller, args: BashArgs) -> str:
    """Run a command and show what it printed and how it ended."""
    data = encoded(args.command, "command")
    if "\0" in args.command:
        raise InvalidArguments("command holds a NUL character.")
    if len(data) > _COMMAND_MAX_BYTES:
        raise InvalidArguments(
            f"command has {len(data)} bytes; {_COMMAND_MAX_BYTES} is the most.",
            "Write the script to a file and run that.",
        )
    try:
        finished = await caller.processes.run(
            [_shell(caller), "-c", args.command],
            actor_id=caller.actor_id,
            cwd=caller.root,
            env=caller.env,
            timeout_secs=args.timeout / 1000,
            keep_bytes=KEEP_BYTES_MAX,
        )
    except OSError as error:
        raise ToolFailed(f"The shell cannot be started: {error.strerror or error}.") from None
    return with_end(await shown_output(caller, finished), finished)


def _shell(caller: Caller) -> str:
    return shutil.which("bash", path=caller.env.get("PATH")) or "/bin/sh"


def with_end(text: str, finished: Finished) -> str:
    """The output of a command, then how it ended where that is not plain success."""
    if finished.timed_out:
        secs = finished.duration_ms / 1000
        end = f"[stopped after {secs:.1f} s: it ran out of time, with all that it had started]"
    elif finished.exit_code is not None and finished.exit_code < 0:
        end = f"[ended by signal {-finished.exit_code}]"
    elif finished.exit_code:
        end = f"[exit code {finished.exit_code}]"
    else:
        return text.rstrip("\n") or "(no output)"
    return f"{text.rstrip()}\n{end}".lstrip("\n")


TOOL = Tool(
    name="Bash",
    description=(
        "Run a command with bash in your directory, without a terminal and without input. Each "
        "call starts afresh: cd and variables do not last. Whatever it leaves in the background "
        f"is killed when it ends. timeout is in milliseconds, at most {TIMEOUT_MAX_MS}."
    ),
    args=BashArgs,
    roles=frozenset({"lead", "sublead", "worker"}),
    effect="effects",
    category="command",
    handler=bash,
)
