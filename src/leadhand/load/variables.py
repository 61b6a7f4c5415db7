"""Variables: what `${...}` means in a manifest's texts, and where it has no place.

A prompt, a system prompt or a path is filled in when the manifest is read, and is frozen in the
run. A value of `env` stays as it is written until a child process is given it.
"""

import re

from leadhand.domain.variables import PREFIX, expanded, named, ours
from leadhand.load.section import Section, quoted

# The values of such variables are kept out of every file of a run.
SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
FILLED_MAX = 1024 * 1024


def filled(section: Section, *steps: str | int, text: str) -> str:
    """A text that models read, or a path, with the values of our variables.

    Every other ${...} stays as it is: prompts hold code of shells and templates.
    """
    environ = section.report.environ
    names = [name for name in named(text) if ours(name)]
    for name in dict.fromkeys(names):
        if SECRET.search(name):
            section.fault(
                *steps,
                message=f"${{{name}}} looks like a secret, which models are not told",
                mend=f'Give it to commands: env = {{ NAME = "${{{name}}}" }}',
            )
        elif name not in environ:
            _unset(section, steps, name)
    if sum(len(environ.get(name, "")) for name in names) > FILLED_MAX:
        section.fault(*steps, message=f"becomes longer than {FILLED_MAX // 1024} KiB")
        return text
    found = expanded(text, environ)
    if any("\ud800" <= char <= "\udfff" for char in found):
        section.fault(*steps, message="is not UTF-8 text with its variables filled in")
        return text
    return found


def check(section: Section, *steps: str | int, text: str) -> None:
    """Note what a value of `env` cannot be given, when a command is started with it."""
    for name in dict.fromkeys(named(text)):
        if not ours(name):
            section.fault(
                *steps,
                message=f"{quoted(f'${{{name}}}')} is not expanded: "
                f"only names that begin with {PREFIX} are",
                mend="Export it under such a name; $${...} is that text itself",
            )
        elif name not in section.report.environ:
            _unset(section, steps, name)


def _unset(section: Section, steps: tuple[str | int, ...], name: str) -> None:
    section.fault(*steps, message=f"{name} is not set", mend=f"Set it: export {name}=...")
