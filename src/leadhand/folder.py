"""Folder: where the files of a run lie beside its log."""

from pathlib import Path

from msgspec import Struct

from leadhand.domain.ids import ActorId, as_file_name


class Folder(Struct, frozen=True):
    """One run's folder: its path on disk. Everything in it is private to its user."""

    path: Path

    @property
    def manifest(self) -> Path:
        """The manifest as it was dispatched."""
        return self.path / "manifest.toml"

    @property
    def summary_lines(self) -> Path:
        """One TaskRecord a line, as each actor settles."""
        return self.path / "summary.jsonl"

    @property
    def summary(self) -> Path:
        """The run's outcome, report and records."""
        return self.path / "summary.json"

    @property
    def shared_store(self) -> Path:
        """What the run's actors shared, where the house rules want it."""
        return self.path / "shared-store.json"

    @property
    def transcripts(self) -> Path:
        """The folder of the transcripts."""
        return self.path / "transcripts"

    @property
    def live(self) -> Path:
        """The folder of the words of turns that are not over."""
        return self.path / "live"

    @property
    def status(self) -> Path:
        """The folder of the status files."""
        return self.path / "status"

    @property
    def agents(self) -> Path:
        """The folder of what coding agents keep, a folder for each actor."""
        return self.path / "agents"

    @property
    def output(self) -> Path:
        """What a dispatch in the background prints."""
        return self.path / "output.log"

    @property
    def notifications(self) -> Path:
        """One notice a line, of a sink of the kind log that names no file."""
        return self.path / "notifications.jsonl"

    @property
    def worktrees(self) -> Path:
        """The folder of the actors' own git worktrees."""
        return self.path / "worktrees"

    def worktree(self, actor: ActorId) -> Path:
        """An actor's own git worktree, where it has one."""
        return self.worktrees / as_file_name(actor)

    def transcript(self, actor: ActorId) -> Path:
        """An actor's conversation as JSON lines; grows while it runs."""
        return self.transcripts / f"{as_file_name(actor)}.jsonl"

    def words(self, actor: ActorId) -> Path:
        """What the actor's model is saying now."""
        return self.live / f"{as_file_name(actor)}.txt"
