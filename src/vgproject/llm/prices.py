"""What a reply took, from the price list that is installed; nothing is fetched."""

from genai_prices import calc_price
from pydantic_ai.messages import ModelResponse

from vgproject.schema.events import Usage

PROVIDER_IDS = {"bedrock": "aws"}


def usage_of(response: ModelResponse, provider: str) -> Usage:
    """``cost_usd`` is ``None`` for a model that has no price in the list."""
    usage = response.usage
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        requests=1,
        cost_usd=_cost(response, provider),
    )


def _cost(response: ModelResponse, provider: str) -> float | None:
    if provider == "ollama":
        return 0.0
    # Whoever answers at an address of the user's own takes their own price: only a known address has one.
    place = (
        {"provider_api_url": response.provider_url}
        if provider == "openai-compatible"
        else {"provider_id": PROVIDER_IDS.get(provider, provider)}
    )
    try:
        return float(calc_price(response.usage, response.model_name or "", **place).total_price)
    except (LookupError, ValueError):
        return None
