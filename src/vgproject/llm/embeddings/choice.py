"""Which model makes embeddings, by the name in the configuration."""

import random
from collections.abc import Mapping

from vgproject.errors import ConfigError
from vgproject.knowledge.embedder import Embedder
from vgproject.llm.embeddings.endpoint import FORMATS, EndpointEmbedder
from vgproject.llm.embeddings.minilm import MiniLmEmbedder, missing_packages
from vgproject.llm.llm import LlmSettings
from vgproject.utils.clock import utc_now


def create_embedder(name: str, environment: Mapping[str, str], settings: LlmSettings) -> Embedder | None:
    """``auto`` is the model on this machine where its packages are installed, otherwise none.

    ``environment`` holds the providers' variables. Raises `ConfigError`, or `ModelError` (``no_model_key``).
    """
    match name:
        case "none":
            return None
        case "auto":
            return None if missing_packages() else MiniLmEmbedder()
        case "minilm":
            return _create_minilm()
        case _:
            return _create_endpoint(name, environment, settings)


def _create_minilm() -> MiniLmEmbedder:
    if missing := missing_packages():
        raise ConfigError(
            f"The embeddings 'minilm' need packages that are not installed ({', '.join(missing)}):"
            " install vgproject with its extra, 'vgproject[embeddings]'."
        )
    return MiniLmEmbedder()


def _create_endpoint(name: str, environment: Mapping[str, str], settings: LlmSettings) -> EndpointEmbedder:
    provider, _, model = name.partition(":")
    if not model or provider not in FORMATS:
        raise ConfigError(
            f"{name!r} names no embeddings: it must be auto, none, minilm,"
            f" or PROVIDER:NAME with one of {', '.join(FORMATS)}."
        )
    return EndpointEmbedder(
        provider,
        model,
        environment,
        retries=settings.retries(utc_now, random.random),
        timeout_seconds=settings.timeout_seconds,
    )
