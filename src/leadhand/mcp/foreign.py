"""Foreign: what a server that is not ours says of its tools, made fit for a model to read.

Law: every word of it is a stranger's: bounded, without what cannot be seen, never fetched, never
matched by a pattern of its own. A tool that does not fit is left out, and that is said.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema
import msgspec
from jsonschema.validators import validator_for
from referencing import Registry

NAME_MAX = 64
DESCRIPTION_MAX = 4_000
REMARK_MAX = 1_000
SCHEMA_BYTES_MAX = 32_768
DEPTH_MAX = 32
UNSEEN = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")
PARTS_MAX = 4_000
# What providers take for the name of an argument.
_ARGUMENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")
# Of a whole schema providers take no choice, and its parts are put where they are referred to.
_DROPPED = ("$schema", "$id", "$defs", "definitions", "oneOf", "anyOf", "allOf", "not", "enum")
_ELSEWHERE = ("$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$recursiveAnchor")
# Keys of a schema whose own keys are names, and those whose values are data.
_NAMING = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_DATA = ("const", "default", "enum", "example", "examples")
_REMARKS = ("title", "description", "$comment")
_PATTERNS = ("pattern", "patternProperties", "format")
_BESIDE_PATTERNS = ("additionalProperties", "unevaluatedProperties")
_encoder = msgspec.json.Encoder()


class Described:
    """Arguments that a server describes by a JSON Schema of its own; see `arguments.Arguments`."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """schema: as `schema_of` gives it."""
        self.schema = schema
        self.names = tuple(schema.get("properties", {}))
        kind = validator_for(schema, default=jsonschema.Draft202012Validator)
        self._judge = kind(without_patterns(schema), registry=Registry())

    def read(self, given: dict[str, Any]) -> dict[str, Any]:
        """See `Arguments.read`. Patterns are left to the server."""
        for fault in self._judge.iter_errors(given):
            place = ".".join(str(step) for step in fault.absolute_path)
            raise ValueError(fault.message[:300] + f" - at `{place[:100]}`" * bool(place))
        return given


def names_of(server: str, tools: Iterable[str]) -> dict[str, str]:
    """What each tool of a server is called here, by its own name: in the characters and the
    length that providers take, and no two the same."""
    known = list(dict.fromkeys(tools))
    plain = {name: _NO_NAME.sub("_", name) for name in known}
    count = Counter(plain.values())
    prefix = f"mcp__{server}__"
    room = NAME_MAX - len(prefix)
    found = {}
    for name in known:
        fits = plain[name]
        if len(fits) > room or not fits or (fits != name and count[fits] > 1):
            mark = hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:8]
            fits = f"{fits[: room - 9]}_{mark}"
        found[name] = prefix + fits
    return found


def clean(text: str, most: int) -> str:
    """A text of at most so many characters without what cannot be seen: control characters, marks
    of direction, tags."""
    seen = (char if visible(char) else " " * (char in "\u2028\u2029\x85") for char in text[:most])
    cut = "…" if len(text) > most else ""
    return "".join(seen).strip() + cut


def visible(char: str) -> bool:
    """Whether a character shows itself, or parts words or lines."""
    return char in "\n\t" or unicodedata.category(char) not in UNSEEN


def schema_of(given: Any) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments as models are told it: an object, without references.

    Raises ValueError, which says what is wrong with it.
    """
    if not isinstance(given, dict) or given.get("type") != "object":
        raise ValueError("its arguments are no object")
    if size(given) > SCHEMA_BYTES_MAX:
        raise ValueError(f"its schema is longer than {SCHEMA_BYTES_MAX} bytes")
    found = Inlined(given).of(given)
    found = {key: value for key, value in found.items() if key not in _DROPPED}
    properties = found.setdefault("properties", {})
    if not isinstance(properties, dict) or not all(map(_ARGUMENT.fullmatch, properties)):
        raise ValueError("the name of an argument is none that models may use")
    if size(found) > SCHEMA_BYTES_MAX:
        raise ValueError(f"its schema comes to more than {SCHEMA_BYTES_MAX} bytes")
    dialect = {"$schema": given["$schema"]} if isinstance(given.get("$schema"), str) else {}
    kind = validator_for(dialect, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(found)
    except jsonschema.SchemaError as error:
        raise ValueError(f"its schema is none: {clean(error.message, 200)}") from None
    return found


def size(value: Any) -> int:
    """The bytes of a value as JSON. Raises ValueError where it is none."""
    try:
        return len(_encoder.encode(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("its schema is no JSON") from error


class Inlined:
    """Puts in place what a schema refers to in itself. What contains itself may be anything."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root, self._left = root, PARTS_MAX

    def of(self, part: Any, path: tuple[str, ...] = (), *, depth: int = 0, keys: str = "") -> Any:
        """A part of it. path: the references that led here. keys: `names` where its keys are
        names, `data` where it is no schema. Raises ValueError."""
        self._left -= 1
        if depth > DEPTH_MAX or self._left < 0:
            raise ValueError("its schema is nested too deeply, or grows without bound")
        if isinstance(part, list):
            return [self.of(each, path, depth=depth + 1, keys=keys) for each in part]
        if isinstance(part, str):
            return clean(part, REMARK_MAX) if not keys else part
        if not isinstance(part, dict):
            return part
        if keys:
            inner = "" if keys == "names" else keys
            return {
                key: self.of(each, path, depth=depth + 1, keys=inner) for key, each in part.items()
            }
        if any(key in part for key in _ELSEWHERE):
            raise ValueError("its schema refers to what is found out only when it is used")
        own = {
            key: self.of(each, path, depth=depth + 1, keys=kind_of(key))
            for key, each in part.items()
            if key != "$ref" and key not in ("$defs", "definitions")
        }
        if "$ref" not in part:
            return own
        reference = part["$ref"]
        if reference in path:
            return own
        target = self._target(reference)
        return self.of(target, (*path, reference), depth=depth + 1) | own

    def _target(self, reference: Any) -> dict[str, Any]:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise ValueError("its schema refers to another document, which is not fetched")
        found: Any = self._root
        for step in reference[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, dict) or (reference != "#" and not reference.startswith("#/")):
            raise ValueError("its schema refers to what is not in it")
        return found


def kind_of(key: str) -> str:
    """What is below a key of a schema, if no schemas: `names` of schemas, or `data`."""
    return "names" if key in _NAMING else "data" if key in _DATA else ""


def without_patterns(schema: Any, *, keys: str = "") -> Any:
    """A schema without its patterns: one may take for ever to be matched."""
    if isinstance(schema, list):
        return [without_patterns(each, keys=keys) for each in schema]
    if not isinstance(schema, Mapping) or keys == "data":
        return schema
    if keys == "names":
        return {key: without_patterns(each) for key, each in schema.items()}
    dropped = _PATTERNS + (_BESIDE_PATTERNS if "patternProperties" in schema else ())
    return {
        key: without_patterns(each, keys=kind_of(key))
        for key, each in schema.items()
        if key not in dropped
    }
