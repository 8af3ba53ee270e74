"""JWTs: who is it, as another server has signed it. Imported only where they count: it takes a while."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from pydantic import TypeAdapter, ValidationError

from vgproject.access.jwt_keys import ALGORITHMS, JwtKeys, KeyFile, KeyUrl, SecretKey
from vgproject.access.jwt_settings import JwtSettings
from vgproject.access.permissions import ROLES, Caller
from vgproject.errors import ConfigError, UnauthenticatedError
from vgproject.schema.access import OWNER_NAME, Role, UserName
from vgproject.utils.clock import Clock

LAST_SECOND = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
USER_NAME: TypeAdapter[str] = TypeAdapter(UserName)


class WebTokens:
    def __init__(self, settings: JwtSettings, *, now: Clock) -> None:
        """Raises `ConfigError`."""
        if not settings.issuer or not settings.audience:
            raise ConfigError("With `auth = \"jwt\"`, 'jwt.issuer' and 'jwt.audience' must be set.")
        self._settings = settings
        self._issuer, self._audience = settings.issuer, settings.audience
        self._keys = create_keys(settings)
        self._now = now

    async def identify(self, token: str) -> Caller:
        """Raises `UnauthenticatedError`, and `UnavailableError` where the keys cannot be had."""
        try:
            key = await self._keys.find(_key_id(token))
            if key is None:
                raise UnauthenticatedError("The token names a key that is not known.")
            claims = jwt.decode(token, key, algorithms=[ALGORITHMS[key.key_type]]).claims
            self._check(claims)
        except (JoseError, ValueError) as error:
            raise UnauthenticatedError(f"The token is not valid: {error}.") from error
        user, role = self._user(claims), self._role(claims)
        if user == OWNER_NAME and role != "owner":
            raise UnauthenticatedError(f"The name {OWNER_NAME!r} is that of the server's owner.")
        expires = min(claims["exp"] + self._settings.leeway_seconds, LAST_SECOND)
        return Caller(user, role, expires_at=datetime.fromtimestamp(expires, UTC))

    def _check(self, claims: Mapping[str, Any]) -> None:
        for name in ("exp", "nbf", "iat"):
            # JSON as Python reads it has NaN, which is neither before nor after anything.
            if isinstance(value := claims.get(name), float) and not math.isfinite(value):
                raise ValueError(f"{name} is no time")
        registry = jwt.JWTClaimsRegistry(
            now=int(self._now().timestamp()),
            leeway=self._settings.leeway_seconds,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
        )
        registry.validate(dict(claims))

    def _user(self, claims: Mapping[str, Any]) -> str:
        try:
            return USER_NAME.validate_python(claims.get(self._settings.user_claim), strict=True)
        except ValidationError as error:
            raise UnauthenticatedError(f"The token's {self._settings.user_claim!r} is no user's name.") from error

    def _role(self, claims: Mapping[str, Any]) -> Role:
        said = claims.get(self._settings.role_claim)
        names = said if isinstance(said, list) else [said]
        return max((role for role in ROLES if role in names), key=ROLES.index, default=self._settings.default_role)


def create_keys(settings: JwtSettings) -> JwtKeys:
    """Raises `ConfigError`."""
    chosen = [name for name in ("secret", "key_file", "jwks_url") if getattr(settings, name)]
    if len(chosen) != 1:
        raise ConfigError("With `auth = \"jwt\"`, one of 'jwt.secret', 'jwt.key_file' and 'jwt.jwks_url' must be set.")
    if settings.secret:
        return SecretKey(settings.secret)
    if settings.key_file:
        return KeyFile(settings.key_file.expanduser())
    return KeyUrl(settings.jwks_url or "")


def _key_id(token: str) -> str | None:
    """What the header says, not yet checked."""
    key_id = jws.extract_compact(token.encode()).headers().get("kid")
    return key_id if isinstance(key_id, str) else None
