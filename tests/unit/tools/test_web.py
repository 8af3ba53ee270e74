"""Reading the web: what is read and how, and what is never reached."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from unit.tools.tool_workspace import Hands
from vgproject.tools.addresses import Lookup, is_public, look_up
from vgproject.tools.base import ToolFailure, ToolResult
from vgproject.tools.html_text import text_of
from vgproject.tools.registry import parse_arguments
from vgproject.tools.web import WebFetch, WebSearch, WebSettings
from web_site import Site, open_site


@pytest.fixture
def site() -> Iterator[Site]:
    with open_site() as opened:
        yield opened


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    return Hands(tmp_path / "session")


async def fetch(hands: Hands, settings: WebSettings, url: str, lookup: Lookup = look_up, **more: Any) -> ToolResult:
    tool = WebFetch(settings, lookup)
    return await tool.run(parse_arguments(tool, {"url": url, **more}), hands.context("call_1"))  # type: ignore[arg-type]


async def refusal(hands: Hands, settings: WebSettings, url: str, lookup: Lookup = look_up) -> str:
    with pytest.raises(ToolFailure) as failure:
        await fetch(hands, settings, url, lookup)
    return failure.value.code


def quoted(result: ToolResult) -> str:
    found = re.search(r"<<<(\w{8})\n(.*)\n\1>>>", result.text, re.DOTALL)
    assert found is not None
    return found[2]


def settings_for(*sites: Site, **more: Any) -> WebSettings:
    return WebSettings(fetch=True, private_hosts=[site.host for site in sites], **more)


async def test_a_page_is_text_marked_as_quoted_from_its_address(site: Site, hands: Hands) -> None:
    result = await fetch(hands, settings_for(site), site.url("/page#part"))
    assert quoted(result) == (
        "The moon\n\n# Facts\n\nIt is far & cold, says [this page]"
        f"({site.url('/about?x=1&y=2')}).\n\n- One\n- Two\n\n```\na\n  b\n```\n\n[image: A crater]"
    )
    assert result.text.startswith(f"Quoted from {site.url('/page')}")
    assert site.asked == [("/page", site.host)]


async def test_a_long_page_is_read_part_by_part(site: Site, hands: Hands) -> None:
    first = await fetch(hands, settings_for(site), site.url("/long"))
    assert "It has 80000 characters: go on with start=20000." in first.text
    last = await fetch(hands, settings_for(site), site.url("/long"), start=60_000)
    assert last.text.endswith("This is its end.")
    assert quoted(first)[:7] == "0000000"
    assert quoted(last).split()[-1] == "0009999"


async def test_a_page_that_is_too_long_is_cut(site: Site, hands: Hands) -> None:
    result = await fetch(hands, settings_for(site, max_bytes=1024), site.url("/long"))
    assert len(quoted(result)) == 1024
    assert result.text.endswith("The rest of it is too long to be read.")


async def test_a_character_set_is_obeyed(site: Site, hands: Hands) -> None:
    assert quoted(await fetch(hands, settings_for(site), site.url("/latin"))) == "Größe"


@pytest.mark.parametrize(
    ("path", "code"), [("/picture", "not_text"), ("/compressed", "not_text"), ("/missing", "http_error")]
)
async def test_what_is_no_page_of_text_is_refused(site: Site, hands: Hands, path: str, code: str) -> None:
    assert await refusal(hands, settings_for(site), site.url(path)) == code


async def test_a_page_that_does_not_come_is_given_up(site: Site, hands: Hands) -> None:
    assert await refusal(hands, settings_for(site, timeout_seconds=0.2), site.url("/slow")) == "timeout"


async def test_redirects_are_followed_and_not_for_ever(site: Site, hands: Hands) -> None:
    result = await fetch(hands, settings_for(site), site.url("/redirect"))
    assert result.details["url"] == site.url("/page")
    site.redirect_to = "/redirect"
    assert await refusal(hands, settings_for(site), site.url("/redirect")) == "too_many_redirects"


@pytest.mark.parametrize("target", ["private", "file:///etc/passwd", "http://[::ffff:127.0.0.1]/", "http://u:p@x/"])
async def test_every_hop_of_a_redirect_is_checked(site: Site, hands: Hands, target: str) -> None:
    with open_site() as private:
        site.redirect_to = private.url("/page") if target == "private" else target
        code = await refusal(hands, settings_for(site), site.url("/redirect"))
        assert code in ("forbidden", "bad_url")
        assert private.asked == []


async def test_this_machine_is_not_read_unless_it_is_named_with_its_port(site: Site, hands: Hands) -> None:
    for url in (site.url("/page"), site.url("/page").replace("127.0.0.1", "localhost")):
        assert await refusal(hands, WebSettings(fetch=True), url) == "forbidden"
    assert (
        await refusal(hands, WebSettings(fetch=True, private_hosts=["127.0.0.1:1"]), site.url("/page")) == "forbidden"
    )
    assert site.asked == []


async def test_only_allowed_hosts_are_read(site: Site, hands: Hands) -> None:
    settings = settings_for(site, allowed_hosts=["example.com"])
    for host in (site.host, "notexample.com", "example.com.evil.test"):
        assert await refusal(hands, settings, f"http://{host}/page") == "forbidden"
    assert site.asked == []


async def test_the_connection_goes_to_the_address_that_was_checked(site: Site, hands: Hands) -> None:
    """A name that is looked up again could have another address by then."""
    port = site.host.partition(":")[2]
    looked_up: list[str] = []

    async def lookup(host: str, port: int) -> Sequence[str]:
        looked_up.append(host)
        return ["127.0.0.1"]

    settings = WebSettings(fetch=True, private_hosts=[f"moving.invalid:{port}"])
    await fetch(hands, settings, f"http://moving.invalid:{port}/page", lookup)
    assert looked_up == ["moving.invalid"]
    assert site.asked == [("/page", f"moving.invalid:{port}")]


async def test_a_name_with_one_private_address_among_others_is_refused(hands: Hands) -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["93.184.216.34", "10.0.0.1"]

    assert await refusal(hands, WebSettings(fetch=True), "http://two.invalid/", lookup) == "forbidden"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
    ],
)
def test_an_address_that_is_not_on_the_public_internet_is_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


def test_odd_html_is_text_in_time() -> None:
    assert text_of("a < b <3 <!-- open", "http://x/") == "a < b <3"
    assert text_of("<a href='javascript:x'>no</a> <a href=//y/z>yes</a>", "http://x/") == "no [yes](http://y/z)"
    assert text_of("<script>never ended <b>", "http://x/") == ""
    assert text_of("&#" + "9" * 5000 + ";", "http://x/").startswith("&#9")
    assert text_of("<a x='" * 300_000, "http://x/") == ""
    assert text_of("<!--" * 500_000, "http://x/") == ""


async def search(hands: Hands, settings: WebSettings, **arguments: Any) -> str:
    (tool,) = settings.tools()
    assert isinstance(tool, WebSearch)
    result = await tool.run(parse_arguments(tool, arguments), hands.context("call_1"))  # type: ignore[arg-type]
    return result.text


async def test_a_search_lists_titles_addresses_and_extracts(site: Site, hands: Hands) -> None:
    settings = WebSettings(search_url=site.url("/search"))
    told = await search(hands, settings, query="moon & sun", count=2)
    assert told.endswith(
        "1. moon & sun 0\nhttps://x.example/0\nFar away\n\n2. moon & sun 1\nhttps://x.example/1\nFar away"
    )
    assert site.asked == [("/search?q=moon+%26+sun&format=json", site.host)]


async def test_another_kind_of_service_gets_its_key_in_its_own_way(site: Site, hands: Hands) -> None:
    settings = WebSettings(search_url=site.url("/brave"), search_kind="brave", search_key="k")
    assert "3. moon 2" in await search(hands, settings, query="moon", count=3)
    assert {name.lower(): value for name, value in site.headers_seen[0].items()}["x-subscription-token"] == "k"
    with pytest.raises(ValidationError, match="needs a search_key"):
        WebSettings(search_url="https://x.example", search_kind="brave")


async def test_a_search_that_fails_says_why(site: Site, hands: Hands) -> None:
    for path in ("/missing", "/page"):
        with pytest.raises(ToolFailure, match="The search failed"):
            await search(hands, WebSettings(search_url=site.url(path)), query="moon")


def test_nothing_is_read_unless_configuration_says_so() -> None:
    assert WebSettings().tools() == []
