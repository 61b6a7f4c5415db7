"""Init: writes a first manifest, with comments, that runs as it stands."""

import errno
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from leadhand.cli.paper import say
from leadhand.errors import UsageError

USUAL = "leadhand.toml"
# By the variable that holds the key of who serves it.
MODELS = {
    "ANTHROPIC_API_KEY": "claude-haiku-4-5",
    "ANTHROPIC_AUTH_TOKEN": "claude-haiku-4-5",
    "OPENAI_API_KEY": "gpt-5-mini",
}
SKELETON = '''\
# Check it with `leadhand validate {file}`, run it with `leadhand dispatch {file}`.
# Every key there is: `leadhand schema --format example`.

[run]
max_workers = 4             # at a time
budget_usd = 2.00           # for everything, the lead included
lead_timeout_secs = 900     # for the lead; its workers wrap up with it

[defaults]
model = "{model}"  # of everybody who names no other; its key is in the environment
# timeout_secs = 1800       # for each worker
# tools = ["Read", "Write", "Edit", "Bash", "Git", "Glob", "Grep", "WebFetch"]
# add_dirs = ["/tmp"]       # file tools keep to `directory` and these

# Workers of a kind: spawn_worker with agent = "reviewer".
# [agents.reviewer]
# system = "Be strict. Change nothing."
# tools = ["Read", "Glob", "Grep"]

[lead]
id = "first"
directory = "."             # where everybody works, from where this file is
prompt = """
Your job is to COORDINATE, not to do the work yourself.

## Decomposition
List the files here that end in .md with Glob. For each of the first three, spawn exactly one
worker with spawn_worker, and label it with the file's name. Use this prompt for each, with the
file's name for [FILE]:

Read [FILE]. Answer with exactly two lines:
ABOUT: what it is about, in one sentence
MISSING: what a reader would still ask, in one sentence

## Waiting
After spawning all workers, call wait_actor on each worker_id.

## Failure handling
If a worker fails, record it and go on with the others. Do not retry. If a spawn is refused for
the budget, spawn no more.

## Final report
When all workers have settled, end with a report in these sections and this order:
1. STATUS: "success", "partial", or "failed"
2. COMPLETED: one bullet per worker: worker ID, file, what it is about
3. DEFERRED OR FAILED: one bullet per file that was not read, and why
4. COST SUMMARY: worker IDs and approximate spend in USD
"""
'''


@click.command("init")
@click.argument("file", type=click.Path(path_type=Path), default=USUAL)
def command(file: Path) -> None:
    """Write a first manifest, with comments, that runs as it stands.

    FILE is leadhand.toml unless named. A file that is there is left as it is.
    """
    try:
        with file.open("x", encoding="utf-8") as made:
            made.write(skeleton(file, os.environ))
    except FileExistsError:
        raise UsageError(f"{file} exists already: nothing was changed. Name another file") from None
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise UsageError(f"{file}: there is no folder {file.parent} to write it in") from None
        raise
    say(f"Wrote {file}. Next: leadhand validate {shlex.quote(str(file))}")


def skeleton(file: Path, environ: Mapping[str, str]) -> str:
    """The manifest, with a model whose key is in the environment, if one is."""
    given = [model for variable, model in MODELS.items() if environ.get(variable, "").strip()]
    model = [*given, *MODELS.values()][0]
    name = "".join(char if char.isprintable() else "?" for char in shlex.quote(str(file)))
    return SKELETON.format(file=name, model=model)
