"""Model wiring: the only file that knows all the kinds of model, and makes each once."""

import os
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from leadhand.domain.manifest import OUTSIDE, Provider
from leadhand.freeze import Models
from leadhand.harnesses import outside
from leadhand.model import Model
from leadhand.models import names, scripted
from leadhand.stores.codec import Secrets, secrets_of


@runtime_checkable
class Connected(Protocol):
    """A model that keeps connections."""

    async def close(self) -> None:
        """Close those of this event loop."""
        ...


class Clients:
    """The models of a process, each made once, for all its runs.

    environ: where the keys are, and the vendors' variables for base URLs. scripts: models that
    are functions, by NAME of `script:NAME`.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        scripts: Mapping[str, scripted.Script] | None = None,
    ) -> None:
        self._environ = environ
        self._made: dict[tuple[str, Provider | None], Model] = {
            (scripted.PREFIX + name, None): scripted.ScriptedModel(script)
            for name, script in (scripts or {}).items()
        }
        self._made[OUTSIDE, None] = scripted.ScriptedModel(outside.nobody)

    def of(self, providers: Mapping[str, Provider]) -> Models:
        """Gives each named model of a manifest with these providers. A provider is made, and its
        library loaded, when its first model is asked for. Raises UnknownModel, UsageError."""

        def model(name: str) -> Model:
            provider = "" if name.startswith(scripted.PREFIX) else names.split(name)[0]
            # The models of a server share its client.
            shared = provider in names.PROVIDERS or provider in providers
            key = (provider if shared else name, providers.get(provider))
            if key not in self._made:
                self._made[key] = make_model(name, provider, self._environ, providers)
            return self._made[key]

        return model

    async def close(self) -> None:
        """Close the connections of this event loop."""
        for model in self._made.values():
            if isinstance(model, Connected):
                await model.close()


def make_models(
    environ: Mapping[str, str] = os.environ, providers: Mapping[str, Provider] | None = None
) -> Models:
    """Gives each named model, made once; see `Clients`. Raises UnknownModel, UsageError."""
    return Clients(environ).of(providers or {})


def make_model(
    name: str, provider: str, environ: Mapping[str, str], providers: Mapping[str, Provider]
) -> Model:
    """A model of a provider; without one, a scripted model. Raises UnknownModel, UsageError."""
    if not provider:
        return scripted.load(name)
    if provider in names.PROVIDERS or provider in providers:
        from leadhand.models.clients import client

        return client(name, provider, providers.get(provider), environ)
    try:
        from leadhand.models.providers import provided
    except ImportError as error:
        raise names.unknown(
            f'the model "{name}" is of the provider "{provider}", which is not known here'
        ) from error
    return provided(name, Secrets(secrets_of(environ)).clean)
