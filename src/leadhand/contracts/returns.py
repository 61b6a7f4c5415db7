"""Returns: whether a returned value fits its JSON Schema, found out in a process of its own.

A schema is anybody's: a pattern in it may take for ever, and a clever one all memory. So the value
is held against it in a child that has a bound in time and in memory. Nothing remote is fetched.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from leadhand.domain.text import one_line
from leadhand.errors import HarnessError
from leadhand.processes import Processes

VALIDATE_SECS = 10.0
MEMORY_BYTES = 1 << 30
FAULTS_MAX = 5
KEEP_BYTES = 16_384
# What the child runs. It reads [schema, value] and prints what is wrong as a JSON array of texts.
PROGRAM = f"""
import json, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_BYTES}, {MEMORY_BYTES}))
except (ImportError, ValueError, OSError):
    pass
import itertools
import jsonschema
from jsonschema.validators import validator_for
from referencing import Registry
text = sys.stdin.read()
found = []
try:
    schema, value = json.loads(text)
    kind = validator_for(schema, default=jsonschema.Draft202012Validator)
    kind.check_schema(schema)
except jsonschema.SchemaError as error:
    found.append("the schema is no JSON Schema: " + error.message[:300])
except RecursionError:
    found.append("the schema or the value is nested too deeply")
else:
    try:
        faults = kind(schema, registry=Registry()).iter_errors(value)
        for fault in itertools.islice(faults, {FAULTS_MAX}):
            place = "".join(f"[{{step!r}}]" for step in fault.absolute_path)[:200]
            found.append(f"returns{{place}}: {{fault.message[:300]}}")
    except RecursionError:
        found.append("the schema or the value is nested too deeply")
    except Exception as error:
        found.append(f"the schema cannot be used: {{type(error).__name__}}: {{str(error)[:300]}}")
print(json.dumps(found))
"""


class Judge:
    """Holds values against schemas, for the actors of one run."""

    def __init__(self, processes: Processes, env: Mapping[str, str]) -> None:
        """env: what the child may see."""
        self._processes, self._env = processes, env

    async def faults(self, actor_id: str, schema: str, value: str) -> list[str]:
        """What is wrong with a value, both as JSON; empty where it fits. A schema that cannot be
        used is one fault, also one that takes too long."""
        with tempfile.TemporaryFile() as file:
            file.write(f"[{schema},{value}]".encode())
            file.flush()
            file.seek(0)
            given = os.dup(file.fileno())
        try:
            finished = await self._processes.run(
                [sys.executable, "-I", "-c", PROGRAM],
                actor_id=actor_id,
                cwd=Path("/"),
                env=self._env,
                timeout_secs=VALIDATE_SECS,
                keep_bytes=KEEP_BYTES,
                stdin=given,
            )
        except OSError as error:
            raise HarnessError(f"the check of a value cannot be started: {error}") from error
        finally:
            os.close(given)
        if finished.timed_out:
            return [f"the value could not be held against its schema in {VALIDATE_SECS:.0f} s"]
        try:
            return msgspec.json.decode(finished.output, type=list[str])
        except msgspec.MsgspecError:
            said = one_line(finished.output.decode(errors="replace")[-300:], 300)
            return [f"the value could not be held against its schema: {said}"]

    async def schema_fault(self, actor_id: str, schema: str) -> str:
        """Why a text is no JSON Schema; empty where it is one."""
        return _of_the_schema(await self.faults(actor_id, schema, "null"))


def schema_fault(schema: str) -> str:
    """Why a text is no JSON Schema, before there is a run; empty where it is one."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", PROGRAM],
            input=f"[{schema},null]".encode(),
            capture_output=True,
            timeout=VALIDATE_SECS,
            check=False,
        )
        return _of_the_schema(msgspec.json.decode(done.stdout, type=list[str]))
    except subprocess.TimeoutExpired:
        return f"the schema could not be read in {VALIDATE_SECS:.0f} s"
    except (OSError, msgspec.MsgspecError) as error:
        return f"the schema could not be read: {one_line(str(error), 200)}"


def _of_the_schema(found: Sequence[str]) -> str:
    return next((each for each in found if not each.startswith("returns")), "")
