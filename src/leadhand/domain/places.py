"""Places: the paths of a run's settings, and how they are read where they have moved."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from leadhand.domain.manifest import Manifest, Settings
from leadhand.domain.prices import LOCAL

# What lay in the first of a pair lies in the second now: absolute paths.
Pairs = tuple[tuple[str, str], ...]


def inside(path: str, folder: str) -> bool:
    """Whether a path is a folder, or something in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def moved(path: str, pairs: Pairs) -> str:
    """Where a path is now: by the pair that says most of it, and by no other."""
    fitting = [pair for pair in pairs if inside(path, pair[0])]
    if not fitting:
        return path
    old, new = max(fitting, key=lambda pair: len(pair[0]))
    rest = path[len(old) :].strip("/")
    return f"{new.rstrip('/')}/{rest}" if rest else new


def moved_model(model: str, pairs: Pairs) -> str:
    """A model's name, with the file of a script where it is now."""
    if not model.startswith(LOCAL):
        return model
    path, colon, function = model.removeprefix(LOCAL).partition(":")
    return f"{LOCAL}{moved(path, pairs)}{colon}{function}"


def moved_settings(settings: Settings, pairs: Pairs) -> Settings:
    """Settings with their directories and the file of a script where they are now."""
    directory, add_dirs, model = settings.directory, settings.add_dirs, settings.model
    return replace(
        settings,
        directory=None if directory is None else moved(directory, pairs),
        add_dirs=None if add_dirs is None else tuple(moved(each, pairs) for each in add_dirs),
        model=None if model is None else moved_model(model, pairs),
    )


def moved_manifest(manifest: Manifest, pairs: Pairs) -> Manifest:
    """A manifest with every path where it is now."""
    found = manifest.mapped(
        lambda settings: moved_settings(settings, pairs), lambda model: moved_model(model, pairs)
    )
    status_dir = moved(found.house.status_dir, pairs) if found.house.status_dir else ""
    servers = tuple(
        replace(
            each,
            directory=moved(each.directory, pairs),
            command=moved(each.command, pairs),
            args=tuple(moved(text, pairs) for text in each.args),
        )
        for each in found.mcp_servers
    )
    house = replace(found.house, status_dir=status_dir)
    return replace(found, house=house, mcp_servers=servers)


def paths(settings: Iterable[Settings]) -> Iterator[str]:
    """The paths that settings name: directories, and files of scripts."""
    for each in settings:
        yield from of(each.directory, each.add_dirs, each.model)


def of(directory: str | None, add_dirs: Iterable[str] | None, model: str | None) -> Iterator[str]:
    """The paths of one who works."""
    if directory:
        yield directory
    yield from add_dirs or ()
    if model and model.startswith(LOCAL):
        yield model.removeprefix(LOCAL).partition(":")[0]
