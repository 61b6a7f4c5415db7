"""Output: what a command printed, as a model sees it: capped, with a pointer to the whole."""

from leadhand.processes import Finished
from leadhand.tool import Caller

SHOWN_MAX = 30_000
_HEAD_SHARE = 2 / 3


async def shown_output(caller: Caller, finished: Finished) -> str:
    """The output of a command; where it is too long, its head, its tail and where the rest is."""
    text = as_text(finished.output)
    return await capped(caller, text, finished.output, finished.total_bytes)


async def capped(
    caller: Caller, text: str, whole: bytes, total_bytes: int, shown_max: int = SHOWN_MAX
) -> str:
    """The text, or its head and tail with a pointer to the whole, which becomes a blob."""
    if len(text) <= shown_max:
        return text
    pointer = await caller.blobs.put(whole)
    head = text[: int(shown_max * _HEAD_SHARE)]
    tail = text[len(text) - (shown_max - len(head)) :]
    # Whole lines read better, where lines are not huge.
    cut = head.rfind("\n", len(head) - 2_000)
    head = head[: cut + 1] if cut >= 0 else head + "\n"
    cut = tail.find("\n", 0, 2_000)
    tail = tail[cut + 1 :] if cut >= 0 else tail
    hidden = len(text) - len(head) - len(tail)
    return (
        f"{head}[... {hidden} characters are not shown. All {total_bytes} bytes: "
        f'Read with file_path "{pointer}", offset and limit ...]\n{tail}'
    )


def as_text(data: bytes) -> str:
    """Bytes as text; what is not UTF-8 shows as the replacement character."""
    return data.decode("utf-8", "replace")
