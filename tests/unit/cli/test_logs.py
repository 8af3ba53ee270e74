"""The server's log."""

import json
import logging
import sys

from vgproject.cli.logs import JsonFormatter
from vgproject.utils.secrets import SecretMask


def test_a_line_of_json_holds_any_message_with_its_traceback_and_without_secrets() -> None:
    try:
        raise ValueError('say "hello"\nwith the-own-secret-1')
    except ValueError:
        failure = sys.exc_info()
    record = logging.LogRecord("vgproject", logging.ERROR, __file__, 1, 'It %s, "really"', ("failed",), failure)
    line = JsonFormatter(SecretMask({"KEY": "the-own-secret-1"})).format(record)
    assert "\n" not in line
    entry = json.loads(line)
    assert (entry["level"], entry["logger"]) == ("ERROR", "vgproject")
    assert entry["message"].startswith('It failed, "really"\nTraceback')
    assert "the-own-secret-1" not in line
