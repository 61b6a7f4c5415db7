"""Telling: the notifiers of one run's sinks, each made when it is first to tell something."""

from collections.abc import Mapping
from pathlib import Path

from leadhand.domain.manifest import Manifest, Notification
from leadhand.errors import NotifyError
from leadhand.folder import Folder
from leadhand.notifier import Notifier
from leadhand.notifiers import discord, slack
from leadhand.notifiers.log import Log
from leadhand.notifiers.webhook import Message, Webhook, as_it_is
from leadhand.post import Post
from leadhand.sinks import destination

MESSAGES: dict[str, Message] = {
    "webhook": as_it_is,
    "slack": slack.message,
    "discord": discord.message,
}


class Sinks:
    """Gives the notifier of a sink by its number. environ: what the URLs' variables stand for."""

    def __init__(self, manifest: Manifest, environ: Mapping[str, str], folder: Folder) -> None:
        self._sinks, self._environ, self._folder = manifest.notifications, environ, folder
        self._made: dict[int, Notifier] = {}

    def __call__(self, sink: int) -> Notifier:
        """See `courier.Made`."""
        if sink not in self._made:
            self._made[sink] = self._make(self._sinks[sink])
        return self._made[sink]

    def _make(self, sink: Notification) -> Notifier:
        if sink.kind == "log":
            return Log(Path(sink.path) if sink.path else self._folder.notifications)
        try:
            to = destination(sink, self._environ)
        except ValueError as error:
            raise NotifyError(str(error)) from None
        return Webhook(to, Post(), MESSAGES[sink.kind])
