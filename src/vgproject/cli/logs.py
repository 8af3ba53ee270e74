"""The server's log: lines for people, or one JSON object a line."""

import json
import logging

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
        """``message`` has the traceback too, where there is one."""
        line = {"time": self.formatTime(record), "level": record.levelname, "logger": record.name}
        return json.dumps({**line, "message": super().format(record)})


def set_up_logging(log_format: str, secrets: SecretMask) -> None:
    """``log_format`` is ``text`` or ``json``."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(secrets) if log_format == "json" else MaskingFormatter(secrets))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
