"""Allowed: which model a client means, of those that its actor may ask for."""

from leadhand.domain.prices import spellings
from leadhand.domain.state import Actor, Run
from leadhand.model import wire_name
from leadhand.models import names
from leadhand.refusals import UnknownModel


def models(actor: Actor) -> list[str]:
    """The models that an actor may ask for, its own first."""
    return list(dict.fromkeys((actor.model, *(actor.settings.models or ()))))


def meant(run: Run, actor: Actor, asked: str) -> str | None:
    """The model that is asked for, by its full name: one of the run's aliases, or as its provider
    calls it, with or without its date; None where the actor may not ask for it."""
    asked = run.manifest.aliases.get(asked, asked) if run.manifest else asked
    known = models(actor)
    if asked in known:
        return asked
    plain = spellings(asked)[-1]
    for name in known:
        if asked == wire_name(name) or plain == spellings(name)[-1]:
            return name
    return None


def by_login(run: Run, model: str) -> bool:
    """Whether the client's own login opens the provider of a model."""
    try:
        provider, _ = names.split(model)
    except UnknownModel:
        return False
    given = run.manifest.providers.get(provider) if run.manifest else None
    return given is not None and given.auth == "login"
