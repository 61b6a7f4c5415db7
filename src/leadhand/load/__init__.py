"""Load: a manifest's file becomes a Manifest, or all its faults at once."""

import os
import re
import stat
import tomllib
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from msgspec import Struct

from leadhand.domain.manifest import ApprovalPolicy, Manifest
from leadhand.errors import Fault, ManifestError
from leadhand.load import policies, sections
from leadhand.load.lines import KeyPath, Lines, locate
from leadhand.load.options import Option, apply, assignment
from leadhand.load.section import Report, Section, dotted

SIZE_MAX = 1024 * 1024


class Loaded(Struct, frozen=True):
    """A manifest without faults, the text that it came from, and what may surprise in it."""

    manifest: Manifest
    text: str
    warnings: list[str]


class Found(Struct, frozen=True):
    """A manifest as it was found: what it says is worth nothing where the report has faults.

    lead: the path of its lead, which may stand in an array. leads: the keys of its lead.
    """

    manifest: Manifest
    text: str
    report: Report
    lead: KeyPath
    leads: frozenset[str]

    def house(self, key: str) -> KeyPath:
        """The path of a house rule, which may stand under the lead."""
        return (*self.lead, key) if key in self.leads else ("run", key)


def load(path: Path, *, tools: Collection[str] = (), options: Sequence[Option] = ()) -> Loaded:
    """The manifest in a file; see `parse`. Raises ManifestError with all its faults."""
    return _loaded(find(path, options, tools=tools))


def parse(
    text: str,
    file: str,
    base: Path,
    *,
    tools: Collection[str] = (),
    options: Sequence[Option] = (),
) -> Loaded:
    """The manifest in a text. Raises ManifestError with all its faults.

    file: what faults call it. base: the directory that its relative paths start from. tools: work
    tools that there are beside Leadhand's own. options: what is set in its tables before they are
    read.
    """
    return _loaded(read(text, file, base, options, tools=tools))


def setting(text: str) -> Option:
    """What `--set KEY=VALUE` sets. Raises ManifestError."""
    return assignment(text, _decimal)


def find(
    path: Path,
    options: Sequence[Option] = (),
    environ: Mapping[str, str] = os.environ,
    *,
    tools: Collection[str] = (),
) -> Found:
    """The manifest in a file, with the options set in it, and the report of its faults.

    Raises ManifestError where there is no telling what it says: it cannot be read, or is no TOML.
    """
    file = str(path)
    return read(text_of(path), file, path.absolute().parent, options, environ, tools=tools)


def policies_in(path: Path) -> tuple[ApprovalPolicy, ...]:
    """The [[approval_policy]] tables of a file that holds nothing else. Raises ManifestError."""
    file = str(path)
    top = _top(text_of(path), file, (), {}, ())
    top.only(("approval_policy",), {})
    found = policies.entries(top, {})
    if top.report.faults:
        raise ManifestError(top.report.faults)
    return found


def text_of(path: Path) -> str:
    """The text of a manifest's file. Raises ManifestError where it cannot be had."""
    file = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _error(file, "is a directory", "Name the manifest in it")
        # A pipe or device might never end.
        if not stat.S_ISREG(mode):
            raise _error(file, "is not a regular file")
        with path.open("rb") as stream:
            data = stream.read(SIZE_MAX + 1)
    except FileNotFoundError as error:
        raise _error(file, "there is no such file", "Check its path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _error(file, f"cannot be read: {reason}") from error
    if len(data) > SIZE_MAX:
        raise _too_large(file)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(file, "is not UTF-8 text", "Save it as UTF-8", line) from error


def read(
    text: str,
    file: str,
    base: Path,
    options: Sequence[Option] = (),
    environ: Mapping[str, str] = os.environ,
    *,
    tools: Collection[str] = (),
) -> Found:
    """The manifest in a text, as `find` gives it. environ: what its ${...} stand for."""
    top = _top(text, file, options, environ, tools)
    manifest = sections.manifest(top, base)
    lead = top.values.get("lead")
    path: KeyPath = ("lead", 0) if isinstance(lead, list) else ("lead",)
    table = lead[0] if isinstance(lead, list) and lead else lead
    leads = frozenset(table if isinstance(table, dict) else ())
    return Found(manifest, text.removeprefix("\ufeff"), top.report, path, leads)


def _top(
    text: str,
    file: str,
    options: Sequence[Option],
    environ: Mapping[str, str],
    tools: Collection[str],
) -> Section:
    """The whole of a TOML text, with the options set in it."""
    text = text.removeprefix("\ufeff")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise _error(file, "is not UTF-8 text", "Save it as UTF-8") from error
    if size > SIZE_MAX:
        raise _too_large(file)
    lines = locate(text)
    values = _values(text, file, lines)
    return Section(Report(file, lines, apply(values, options), environ, tools), values)


def _loaded(found: Found) -> Loaded:
    if found.report.faults:
        raise ManifestError(found.report.faults)
    return Loaded(found.manifest, found.text, [str(each) for each in found.report.warnings])


def _error(file: str, message: str, mend: str = "", line: int = 0) -> ManifestError:
    return ManifestError([Fault(message, file=file, line=line, mend=mend)])


def _too_large(file: str) -> ManifestError:
    return _error(
        file,
        f"is larger than {SIZE_MAX // 1024} KiB",
        "Put long material into files that the lead can read",
    )


def _values(text: str, file: str, lines: Lines) -> dict[str, object]:
    """The values of a TOML text, its floats as Decimals."""
    if lines.gave_up:
        line, what = lines.gave_up
        raise _error(file, f"{what} is no part of a manifest", line=line)
    try:
        return tomllib.loads(text, parse_float=_decimal)
    except ValueError as error:
        raise ManifestError([_syntax_fault(str(error), text, file, lines)]) from error


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        # An exponent beyond those of Decimal: infinity or zero.
        return Decimal(float(text))


_PLACE = re.compile(r"(.*) \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)", re.DOTALL)
_MENDS = {
    "Illegal character '\\n'": 'Close the text with a quote; """ stands around several lines',
    "Invalid value": 'A text stands in quotes: key = "text"',
    "Unescaped '\\'": r"Write \\ for a backslash, or put the text between single quotes",
    "Invalid hex value": r"Write \\ for a backslash, or put the text between single quotes",
    "Expected newline": "Each key stands on a line of its own, each text in quotes",
    "Expected '='": 'Write key = "text", and a comment behind #',
}


def _syntax_fault(problem: str, text: str, file: str, lines: Lines) -> Fault:
    """What tomllib says, with what the scan of the lines knows beyond that."""
    place = _PLACE.fullmatch(problem)
    what = place[1] if place else problem
    line = int(place[2]) if place and place[2] else text.rstrip().count("\n") + 1
    if lines.doubled and what.startswith(("Cannot", "Duplicate")) and lines.doubled[2] <= line:
        path, first, again = lines.doubled
        message = f"is given twice, first on line {first}"
        return Fault(message, file=file, line=again, key=dotted(path), mend="Keep one of them")
    mend = next((mend for start, mend in _MENDS.items() if what.startswith(start)), "")
    if lines.unclosed and lines.unclosed[0] <= line:
        start, closing = lines.unclosed
        mend = f"What begins on line {start} is not closed with {closing}"
    column = f" (column {place[3]})" if place and place[3] else ""
    return Fault(f"is not valid TOML: {what}{column}", file=file, line=line, mend=mend)
