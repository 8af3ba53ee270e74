"""The files of the web page, as a browser asks for them."""

import gzip
import re
from pathlib import Path

import httpx
import pytest

from live_server import running_server

FIRST_LOAD_BYTES = 150 * 1024
"""As sent, with gzip."""


@pytest.mark.parametrize("path", ["/", "/sessions/ses_1", "/sessions/ses_1/events/42"])
async def test_every_address_of_the_page_is_the_page_without_a_token(tmp_path: Path, path: str) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url) as client:
        page = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": page.headers["ETag"]})
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["Cache-Control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")


async def test_the_page_runs_under_a_policy_that_allows_nothing_inline_or_from_elsewhere(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url) as client:
        page = await client.get("/")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert re.findall(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=|https?://", page.text) == []


async def test_assets_are_kept_for_ever_and_the_first_load_is_small(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url) as client:
        page = await client.get("/")
        paths = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assets = [await client.get(path) for path in paths]
        plain = await client.get(paths[0], headers={"Accept-Encoding": "identity"})
    for asset in assets:
        assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert asset.headers["Content-Encoding"] == "gzip"
    kinds = {path.rpartition(".")[2]: asset.headers["Content-Type"] for path, asset in zip(paths, assets, strict=True)}
    assert kinds == {
        "js": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "svg": "image/svg+xml",
    }
    assert "Content-Encoding" not in plain.headers
    assert plain.content == assets[0].content
    assert sum(len(gzip.compress(asset.content)) for asset in (page, *assets)) < FIRST_LOAD_BYTES


@pytest.mark.parametrize("name", ["nothing.js", "..%2findex.html", "%2e%2e", "..%2f..%2f__init__.py"])
async def test_only_files_of_the_page_are_served(tmp_path: Path, name: str) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.get(f"/assets/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_link_that_does_not_sign_in_leads_a_browser_to_the_page(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url) as client:
        browser = await client.get("/sign-in?code=old", headers={"Accept": "text/html,*/*"})
        program = await client.get("/sign-in?code=old")
    assert (browser.status_code, browser.headers["Location"]) == (303, "/?sign-in=refused")
    assert (program.status_code, program.json()["code"]) == (401, "unauthenticated")
