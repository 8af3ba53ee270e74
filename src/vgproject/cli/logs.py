"""The server's log: lines for people, or one JSON object a line."""

import json
import logging
from datetime import UTC, datetime

from vgproject.telemetry.log_context import current_ids
from vgproject.utils.clock import to_wire
from vgproject.utils.secrets import SecretMask

TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class MaskingFormatter(logging.Formatter):
    """Masks the secrets in all that is logged, also in tracebacks."""

    def __init__(self, secrets: SecretMask, text: str = TEXT) -> None:
        super().__init__(text)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return self._secrets.mask(super().format(record))


class JsonFormatter(MaskingFormatter):
    def __init__(self, secrets: SecretMask) -> None:
        super().__init__(secrets, "%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """``message`` has the traceback too, where there is one. The time is in UTC."""
        line = {"time": to_wire(datetime.fromtimestamp(record.created, UTC)), "level": record.levelname}
        line |= {"logger": record.name, "message": super().format(record)}
        fields = {**current_ids(), **getattr(record, "fields", {})}
        return json.dumps(line | {name: self._masked(value) for name, value in fields.items()})

    def _masked(self, value: object) -> object:
        return self._secrets.mask(value) if isinstance(value, str) else value


def set_up_logging(log_format: str, secrets: SecretMask) -> None:
    """``log_format`` is ``text`` or ``json``."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(secrets) if log_format == "json" else MaskingFormatter(secrets))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # Two write whole addresses, and what a query says is nobody's; `visits` has a line for each request.
    for name in ("alembic", "httpx", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
