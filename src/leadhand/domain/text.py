"""Text: how long texts are shortened for people."""

PREVIEW_MAX = 200


def one_line(text: str, limit: int = PREVIEW_MAX) -> str:
    """The text on one line, cut to `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
