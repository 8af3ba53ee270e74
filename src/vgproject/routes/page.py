"""The web page: files that `scripts/page` has built, served as they are. They need no token; what they show does."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import HTMLResponse, Response

from vgproject.errors import NotFoundError

router = APIRouter(include_in_schema=False)

DIST = files("vgproject") / "web" / "dist"
MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"
"""For files whose names have a hash of what is in them."""


@dataclass(frozen=True)
class PageFile:
    content: bytes
    zipped: bytes
    media_type: str
    etag: str


@cache
def _load(name: str) -> PageFile:
    """Raises `NotFoundError`."""
    directory, _, base = name.rpartition("/")
    known = {file.name: file for file in (DIST / directory).iterdir() if file.is_file()} if DIST.is_dir() else {}
    if base not in known:
        raise NotFoundError(f"The page has no file {base!r}.", code="not_found")
    content = known[base].read_bytes()
    media_type = MEDIA_TYPES[base.rpartition(".")[2]]
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return PageFile(content, gzip.compress(content, mtime=0), media_type, etag)


@router.get("/")
@router.get("/settings")
@router.get("/sessions/{session_id}")
@router.get("/sessions/{session_id}/events/{seq}")
async def read_page(
    accept_encoding: Annotated[str, Header()] = "", if_none_match: Annotated[str, Header()] = ""
) -> HTMLResponse:
    """The web page. What it shows, its own address says to it."""
    page = _load("index.html")
    headers = {"Cache-Control": "no-cache", "ETag": page.etag, "Vary": "Accept-Encoding"}
    if page.etag in if_none_match:
        return HTMLResponse(status_code=304, headers=headers)
    return HTMLResponse(*_encoded(page, accept_encoding, headers))


@router.get("/assets/{name}")
async def read_asset(name: str, accept_encoding: Annotated[str, Header()] = "") -> Response:
    """A file of the page."""
    asset = _load(f"assets/{name}")
    headers = {"Cache-Control": FOREVER, "Content-Type": asset.media_type, "Vary": "Accept-Encoding"}
    return Response(*_encoded(asset, accept_encoding, headers))


def _encoded(file: PageFile, accept_encoding: str, headers: dict[str, str]) -> tuple[bytes, int, dict[str, str]]:
    """Content, status and headers."""
    if "gzip" in accept_encoding:
        return file.zipped, 200, {**headers, "Content-Encoding": "gzip"}
    return file.content, 200, headers
