"""What JWTs must be like to count."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from vgproject.schema.access import Role


class JwtSettings(BaseModel):
    """``[jwt]`` in configuration, for ``auth = "jwt"``. Of secret, key_file and jwks_url there is exactly one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: str | None = Field(default=None, repr=False)
    """For HS256."""
    key_file: Path | None = None
    """A public key as PEM or a JWKS, for RS256 and ES256; read anew when it changes."""
    jwks_url: str | None = None
    """The same, fetched every few minutes and when a token names a key that is not known."""
    issuer: str | None = None
    audience: str | None = None
    """What ``iss`` and ``aud`` of a token must say; both are needed."""
    user_claim: str = "sub"
    role_claim: str = "role"
    """A role, or a list of which the highest role counts."""
    default_role: Role = "viewer"
    """Where a token has no role of ours."""
    leeway_seconds: int = Field(default=30, ge=0, le=600)
    """How far the clocks may differ."""
