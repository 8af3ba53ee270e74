"""The web in whole tasks."""

from pathlib import Path

from integration.test_tasks import ENDS, services_for, start, wait_for
from sample import call, script, write_script
from web_site import open_site

NOTES = {"tool_calls": [call("submit_research", notes="Read.", needs_implementation=False)]}


async def test_an_agent_searches_and_reads_the_web_unasked_where_it_may(tmp_path: Path) -> None:
    with open_site() as site:
        reading = {"tool_calls": [call("web_search", query="moon"), call("web_fetch", url=site.url("/page"))]}
        model = write_script(tmp_path, script(research=[reading, NOTES]))
        web = {"fetch": True, "search_url": site.url("/search"), "private_hosts": [site.host]}
        async with services_for(tmp_path, model=model, approvals="always", web=web) as services:
            frames = await wait_for(services, await start(services), *ENDS)
    results = {frame.data["tool"]: frame.data["result"] for frame in frames if frame.type == "tool_completed"}
    assert "https://x.example/0" in results["web_search"]
    assert "It is far & cold" in results["web_fetch"]
    assert frames[-1].type == "task_completed"


async def test_without_configuration_there_are_no_such_tools(tmp_path: Path) -> None:
    reading = {"tool_calls": [call("web_search", query="moon"), call("web_fetch", url="http://127.0.0.1:1/")]}
    model = write_script(tmp_path, script(research=[reading, NOTES]))
    async with services_for(tmp_path, model=model) as services:
        frames = await wait_for(services, await start(services), *ENDS)
    assert [frame.data["code"] for frame in frames if frame.type == "tool_failed"] == ["unknown_tool", "unknown_tool"]
