"""The keys that JWTs are checked with: a secret, a file, or a URL, each looked at again so that keys can be changed."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OctKey, RSAKey

from vgproject.errors import ConfigError, UnavailableError
from vgproject.utils.addresses import is_loopback

logger = logging.getLogger(__name__)

ALGORITHMS = {"oct": "HS256", "RSA": "RS256", "EC": "ES256"}
"""The one algorithm of each kind of key: what the token's header says cannot choose another."""
MIN_SECRET_BYTES = 32
MAX_BYTES = 1024 * 1024
TIMEOUT_SECONDS = 5.0
AGE_SECONDS = 300.0
RETRY_SECONDS = 10.0
"""A token with a key that is not known has the keys fetched anew, not more often than this."""


class JwtKeys(Protocol):
    async def find(self, key_id: str | None) -> Key | None:
        """The key that a token names; the only one where it names none. Raises `UnavailableError`."""


class SecretKey:
    """One that both sides have."""

    def __init__(self, secret: str) -> None:
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise ConfigError(f"The option 'jwt.secret' is too short: it must have at least {MIN_SECRET_BYTES} bytes.")
        self._key = OctKey.import_key(secret.encode())

    async def find(self, key_id: str | None) -> Key | None:
        return self._key


class KeyFile:
    """A public key as PEM, or a JWKS. Read anew when it changes; as long as that fails the old keys count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()
        self._keys = self._read()

    async def find(self, key_id: str | None) -> Key | None:
        try:
            if (stamp := self._look()) != self._stamp:
                self._keys, self._stamp = self._read(), stamp
        except ConfigError as error:
            logger.warning("The keys stay as they were: %s", error.message)
        return _choose(self._keys, key_id)

    def _look(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            raise ConfigError(f"The key file {self._path} cannot be read: {error.strerror}.") from error
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> list[Key]:
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise ConfigError(f"The key file {self._path} cannot be read: {error.strerror}.") from error
        try:
            return _parse_pem(content) if b"-----BEGIN" in content else _parse_jwks(content)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"The key file {self._path} has no usable key: it must be a public RSA or P-256 key as PEM, or a JWKS."
            ) from error


class KeyUrl:
    """A JWKS that is fetched when it is needed, and kept for some minutes; longer where it cannot be fetched."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ConfigError(f"The option 'jwt.jwks_url' is {url!r}: it must begin with https://.")
        self._url = url
        self._monotonic = monotonic
        self._keys: list[Key] = []
        self._fetched_at = self._tried_at = -AGE_SECONDS

    async def find(self, key_id: str | None) -> Key | None:
        is_old = self._monotonic() >= self._fetched_at + AGE_SECONDS
        if (is_old or _choose(self._keys, key_id) is None) and self._monotonic() >= self._tried_at + RETRY_SECONDS:
            self._tried_at = self._monotonic()
            await self._fetch()
        if not self._keys:
            raise UnavailableError("The keys for tokens cannot be fetched just now.", code="keys_unavailable")
        return _choose(self._keys, key_id)

    async def _fetch(self) -> None:
        try:
            async with (
                httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
                http.stream("GET", self._url) as response,
            ):
                response.raise_for_status()
                content = b""
                async for part in response.aiter_bytes():
                    content += part
                    if len(content) > MAX_BYTES:
                        raise ValueError("the answer is too large")
            self._keys = _parse_jwks(content)
            self._fetched_at = self._monotonic()
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            logger.warning("The keys at %s cannot be fetched: %s", self._url, error)


def _parse_pem(content: bytes) -> list[Key]:
    kind = RSAKey if _is_rsa(content) else ECKey
    return _usable([kind.import_key(content)])


def _is_rsa(content: bytes) -> bool:
    try:
        RSAKey.import_key(content)
    except (JoseError, ValueError, TypeError):
        return False
    return True


def _parse_jwks(content: bytes) -> list[Key]:
    return _usable(KeySet.import_key_set(json.loads(content)).keys)


def _usable(keys: list[Key]) -> list[Key]:
    """Public ones only: a secret among them would let whoever reads them sign."""
    usable: list[Key] = [
        key for key in keys if isinstance(key, RSAKey) or (isinstance(key, ECKey) and key.curve_name == "P-256")
    ]
    if not usable:
        raise ValueError("there is no RSA or P-256 key")
    return usable


def _choose(keys: list[Key], key_id: str | None) -> Key | None:
    if len(keys) == 1 and (key_id is None or keys[0].kid is None):
        return keys[0]
    return next((key for key in keys if key_id is not None and key.kid == key_id), None)
