"""The file of an entry in an exported memory."""

import re
import unicodedata

from vgproject.schema.memory import MemoryKind
from vgproject.utils.ids import derived_id

MAX_WORDS = 60
"""Characters that are taken from the content."""


def file_name(kind: MemoryKind, content: str, memory_id: str) -> str:
    """Like ``key_facts/the-tests-run-with-pytest--mem_01jdg3.md``.

    Only lower-case ASCII, so that no file system takes two names for one or one for two, and none is a device.
    """
    identity = memory_id if re.fullmatch(r"[a-z]+_[0-9a-z]{1,60}", memory_id) else derived_id("mem", memory_id)
    return f"{kind}s/{'--'.join(filter(None, (_slug(content), identity)))}.md"


def _slug(content: str) -> str:
    start = unicodedata.normalize("NFKD", content[: 10 * MAX_WORDS]).encode("ascii", "ignore").decode().lower()
    words = "-".join(re.findall(r"[a-z0-9]+", start))
    return words if len(words) <= MAX_WORDS else words[: MAX_WORDS + 1].rpartition("-")[0] or words[:MAX_WORDS]
