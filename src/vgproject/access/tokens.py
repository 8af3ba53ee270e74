"""API tokens: made, listed, revoked, recognized. Of the secret itself only a hash is kept."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from vgproject.access.permissions import Caller, role_of
from vgproject.errors import NotFoundError, UnauthenticatedError
from vgproject.models.tables import TokenRow
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.access import CreatedToken, NewToken, TokenView
from vgproject.utils.clock import Clock, to_wire
from vgproject.utils.ids import NewId

PREFIX = "vgp_"
"""By it a token is told from others, and found where it does not belong."""
USE_PRECISION = timedelta(minutes=1)


class Tokens:
    def __init__(self, database: Database, *, now: Clock, new_id: NewId) -> None:
        self._database = database
        self._now = now
        self._new_id = new_id
        self._listeners: list[Callable[[], None]] = []

    def on_revoke(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each token that is revoked here."""
        self._listeners.append(listener)

    async def create(self, new: NewToken) -> CreatedToken:
        token = PREFIX + secrets.token_urlsafe(32)
        now = self._now()
        row = TokenRow(
            id=self._new_id("tok"),
            user_id=new.user,
            role=new.role,
            name=new.name,
            digest=_digest(token),
            created_at=now,
            expires_at=now + timedelta(seconds=new.expires_in_seconds) if new.expires_in_seconds else None,
        )
        async with self._database.unit_of_work() as work:
            work.tokens.add(row)
            await work.commit()
        return CreatedToken(**_view(row).model_dump(), token=token)

    async def list_all(self) -> list[TokenView]:
        async with self._database.unit_of_work() as work:
            return [_view(row) for row in await work.tokens.list_all()]

    async def revoke(self, token_id: str) -> TokenView:
        """For good; revoked again it stays as it is. Raises `NotFoundError` (``no_such_token``)."""
        async with self._database.unit_of_work() as work:
            row = await work.tokens.get(token_id)
            if row is None:
                raise NotFoundError(f"There is no token {token_id!r}.", code="no_such_token")
            row.revoked_at = row.revoked_at or self._now()
            await work.commit()
        for listener in self._listeners:
            listener()
        return _view(row)

    async def identify(self, token: str) -> Caller:
        """Raises `UnauthenticatedError` for one that is not known, is revoked or has expired."""
        digest = _digest(token)
        now = self._now()
        async with self._database.unit_of_work() as work:
            row = await work.tokens.find(digest)
            if row is None or not hmac.compare_digest(row.digest, digest):
                raise UnauthenticatedError("The token is not valid.")
            if row.revoked_at is not None:
                raise UnauthenticatedError("The token is revoked.")
            if row.expires_at is not None and row.expires_at <= now:
                raise UnauthenticatedError("The token has expired.")
            if row.last_used_at is None or row.last_used_at + USE_PRECISION <= now:
                await work.tokens.note_use(row.id, now)
                await work.commit()
        return Caller(row.user_id, role_of(row.role), token_id=row.id, expires_at=row.expires_at)

    async def list_revoked(self, token_ids: Collection[str]) -> set[str]:
        """Those of ``token_ids`` that are not to be used any more; expiry is not looked at."""
        if not token_ids:
            return set()
        async with self._database.unit_of_work() as work:
            return set(token_ids) - await work.tokens.list_valid_ids(token_ids)


def _digest(token: str) -> str:
    """A plain hash is enough: what cannot be guessed needs no slow one."""
    return hashlib.sha256(token.encode()).hexdigest()


def _view(row: TokenRow) -> TokenView:
    return TokenView(
        token_id=row.id,
        user=row.user_id,
        role=role_of(row.role),
        name=row.name,
        created_at=to_wire(row.created_at),
        expires_at=_wire(row.expires_at),
        last_used_at=_wire(row.last_used_at),
        revoked_at=_wire(row.revoked_at),
    )


def _wire(moment: datetime | None) -> str | None:
    return to_wire(moment) if moment else None
