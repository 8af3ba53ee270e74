"""Amazon Bedrock's client, made from what it is given: its library would look for credentials in many places."""

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from vgproject.errors import ModelChoiceError


def create_client(model: str, environment: Mapping[str, str]) -> Any:
    """Raises `ModelError` (``no_model_key``) that names the variables which are missing."""
    profile = environment.get("AWS_PROFILE")
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not ((key and secret) or profile):
        raise ModelChoiceError(
            f"The model {model} needs the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
            code="no_model_key",
        )
    try:
        session = boto3.Session(
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=environment.get("AWS_SESSION_TOKEN"),
            region_name=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
            profile_name=profile,
        )
    except BotoCoreError as error:
        raise ModelChoiceError(f"The model {model} cannot be used: {error}.", code="no_model_key") from error
    if session.region_name is None:
        raise ModelChoiceError(f"The model {model} needs its region in AWS_REGION.", code="no_model_key")
    return session.client(
        "bedrock-runtime",
        endpoint_url=environment.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME"),
        config=Config(retries={"total_max_attempts": 1}),
    )
