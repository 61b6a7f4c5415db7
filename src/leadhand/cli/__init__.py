"""Command line: one verb, one file of this folder, loaded when it is used.

Exit codes: 0 all succeeded, 1 some task failed, 2 the manifest or the environment is at fault,
130 interrupted, 70 a bug of ours; 141 where whoever read our output went away.
"""

import os
import sys

from leadhand import __version__

VERBS = {
    "dispatch": "Run a manifest: its lead, and the workers that the lead spawns.",
    "validate": "Check a manifest before anything is spent.",
    "resume": "Continue a run that was interrupted, drained, or ran out of budget or time.",
    "status": "How one run stands.",
    "mcp": "Let an MCP client lead a run, within the house rules of a manifest.",
    "list": "All runs, the latest first.",
    "why": "Why a run or an actor waits, failed or never started.",
    "events": "What happened in a run, event by event.",
    "attach": "Follow one actor: its conversation so far, and every word as it comes.",
    "pause": "Let a run, an actor or all below it take no further step.",
    "continue": "Let what is paused go on, or give a settled worker another stint.",
    "reprompt": "Interrupt an actor's turn and let it go on with a new prompt.",
    "send": "Leave a message that an actor reads with its next turn.",
    "cancel": "End a run, or one actor and all below it.",
    "approvals": "The questions of a run that wait for your answer.",
    "approve": "Let what an actor asked for happen.",
    "reject": "Keep what an actor asked for from happening.",
    "policy": "Show or change what answers for you in a run.",
    "prune": "Remove the folders of finished runs, after showing which.",
    "init": "Write a first manifest, with comments, that runs as it stands.",
    "schema": "What a manifest may hold, as JSON Schema or as an example; or a worker's report.",
    "completion": "Print what makes a shell complete verbs, options and runs.",
    "prices": "What a million tokens of each known model cost.",
}


def main() -> None:
    """The `leadhand` command; ends the process with its exit code."""
    arguments = sys.argv[1:]
    try:
        if arguments in (["--version"], ["-V"]):
            version()
            return
        from leadhand.cli.ending import run

        code = run(arguments)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def version() -> None:
    """Print the version, before anything else is imported."""
    try:
        print(f"leadhand {__version__}", flush=True)
    except OSError:
        drop_output()
        sys.exit(2)


def drop_output() -> None:
    """Let what cannot be printed any more go nowhere, so that the interpreter ends in peace."""
    for stream in (sys.stdout, sys.stderr):
        try:
            print(end="", file=stream, flush=True)
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
