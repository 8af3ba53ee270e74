"""What a reply took, from the price list that is installed; nothing is fetched."""

from genai_prices import calc_price
from pydantic_ai.messages import ModelResponse

from vgproject.schema.events import Usage

PROVIDER_IDS = {"bedrock": "aws"}


def usage_of(response: ModelResponse, provider: str) -> Usage:
    """``cost_usd`` is ``None`` for a model that has no price in the list."""
    usage = response.usage
    cost = None
    try:
        price = calc_price(usage, response.model_name or "", provider_id=PROVIDER_IDS.get(provider, provider))
        cost = float(price.total_price)
    except (LookupError, ValueError):
        cost = 0.0 if provider == "ollama" else None
    return Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, requests=1, cost_usd=cost)
