"""Notifications: what a manifest says of whom to tell what, and of the process that began it."""

from pathlib import Path
from typing import get_args

from leadhand import sinks
from leadhand.domain.manifest import Lifecycle, NoticeEvent, Notification, Severity, SinkKind
from leadhand.domain.variables import named, ours
from leadhand.load import variables
from leadhand.load.section import Section, shown
from leadhand.sinks import ALLOW_HOSTS

KEYS = ("kind", "url", "path", "events", "severity_min")
LIFECYCLE_KEYS = ("survive_parent", "notify")
SINKS_MAX = 16
KINDS: tuple[SinkKind, ...] = get_args(SinkKind)
EVENTS: tuple[NoticeEvent, ...] = get_args(NoticeEvent)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
# A webhook's URL is all that it takes to write to a channel.
_KEPT = 'Keep it out of the manifest: url = "${LEADHAND_WEBHOOK_URL}"'


def read(top: Section, base: Path, homes: dict[str, str]) -> tuple[Notification, ...]:
    """The sinks under [[notification]]."""
    return tuple(_sink(each, base, homes) for each in top.tables_of("notification", SINKS_MAX))


def lifecycle(section: Section, homes: dict[str, str]) -> Lifecycle:
    """What stands under [lifecycle]."""
    section.only(LIFECYCLE_KEYS, homes)
    return Lifecycle(
        survive_parent=section.flag("survive_parent") is not False,
        notify=section.flag("notify") is not False,
    )


def _sink(section: Section, base: Path, homes: dict[str, str]) -> Notification:
    section.only(KEYS, homes)
    if "kind" not in section:
        section.fault("kind", message="is required", mend=f"Write one of {', '.join(KINDS)}")
    kind = section.choice("kind", KINDS)
    found = Notification(
        kind=kind or "log",
        url=section.text("url") or "",
        path=_path(section, base),
        events=_events(section),
        severity_min=section.choice("severity_min", SEVERITIES) or "info",
    )
    if kind is not None:
        _check_place(section, found)
    return found


def _path(section: Section, base: Path) -> str:
    """The absolute path of a file that need not exist yet."""
    text = section.text("path")
    if text is None:
        return ""
    text = variables.filled(section, "path", text=text)
    try:
        return str(base.absolute() / Path(text).expanduser())
    except RuntimeError:
        section.fault("path", message="begins with the home of an unknown user")
        return ""


def _events(section: Section) -> tuple[NoticeEvent, ...]:
    chosen: list[NoticeEvent] = []
    for index, text in section.texts("events", len(EVENTS), EVENTS) or ():
        event = next((each for each in EVENTS if each == text), None)
        if event is None:
            message = f"must be one of {', '.join(EVENTS)}, found {shown(text)}"
            section.fault("events", index, message=message, mend=section.near(text, EVENTS))
        elif event not in chosen:
            chosen.append(event)
    if section.values.get("events") == []:
        section.fault("events", message="names none", mend="Leave it out for all")
    return tuple(chosen)


def _check_place(section: Section, sink: Notification) -> None:
    """Note what keeps a sink from being told."""
    wrong, right = ("url", "path") if sink.kind == "log" else ("path", "url")
    if wrong in section:
        section.fault(wrong, message=f"has no meaning for the kind {sink.kind}")
    if sink.kind == "log":
        return
    if "url" not in section:
        section.fault(right, message="is required", mend=_KEPT)
    if not sink.url:
        return
    before = len(section.report.faults)
    variables.check(section, "url", text=sink.url)
    if len(section.report.faults) > before:
        return
    try:
        sinks.destination(sink, section.report.environ)
    except ValueError as error:
        told = ALLOW_HOSTS in str(error)
        mend = f"Name it in the environment: export {ALLOW_HOSTS}=HOST:PORT" if told else ""
        section.fault("url", message=f"cannot be told: {error}", mend=mend)
    if sink.kind != "webhook" and not any(map(ours, named(sink.url))):
        section.warn("url", message=f"is a secret that every file of the run will hold. {_KEPT}")
