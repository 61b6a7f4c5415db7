"""Clients: makes the client of each provider whose dialect is spoken here."""

from collections.abc import Mapping

from leadhand.domain.manifest import Dialect, Provider
from leadhand.model import Model
from leadhand.models import anthropic, names, openai, openai_responses
from leadhand.models.http import Http
from leadhand.refusals import UnknownModel

# By dialect: how the vendor's variables begin, and where it listens.
VENDORS: dict[Dialect, tuple[str, str]] = {
    "anthropic": ("ANTHROPIC", "https://api.anthropic.com"),
    "openai": ("OPENAI", "https://api.openai.com/v1"),
    "openai-chat": ("OPENAI", "https://api.openai.com/v1"),
}


def client(name: str, who: str, given: Provider | None, environ: Mapping[str, str]) -> Model:
    """The client of the provider `who`. name: the model that it is wanted for; given: what the
    manifest says of it; environ: where keys are, and the vendors' variables for base URLs.

    Raises UnknownModel where its key is missing, UsageError where its base URL is none.
    """
    vendor = next((each for each in names.PROVIDERS if each == who), None)
    provider = given or Provider(vendor or "openai-chat")
    url, variable, token = provider.base_url, provider.key_env, ""
    if vendor is not None:
        prefix, _ = VENDORS[vendor]
        url = url or environ.get(f"{prefix}_BASE_URL", "")
        if vendor == "anthropic" and not variable:
            token = environ.get("ANTHROPIC_AUTH_TOKEN", "").strip()
        variable = variable or f"{prefix}_API_KEY"
    key = environ.get(variable, "").strip()
    if provider.auth == "login":
        return _speaking(provider.dialect, url, "", "")
    # A server of the operator's own may need no key, unless the manifest says that it does.
    if not (key or token) and (provider.key_env or not url):
        raise UnknownModel(
            f'the model "{name}" cannot be used: {variable} is not set',
            f"The operator can set {variable}; or use a model of another provider.",
        )
    return _speaking(provider.dialect, url, key, token)


def _speaking(dialect: Dialect, url: str, key: str, token: str) -> Model:
    place = url or VENDORS[dialect][1]
    match dialect:
        case "anthropic":
            return anthropic.AnthropicModel(Http(), anthropic.server(place, key, token))
        case "openai":
            return openai_responses.OpenAiModel(Http(), openai.server(place, key))
        case "openai-chat":
            return openai.OpenAiChatModel(Http(), openai.server(place, key))
