"""What agents ask of people and of other models: seen by all, answered once, and not lost by a restart."""

from pathlib import Path
from typing import Any

import pytest

from integration.test_tasks import ENDS, OWNER, services_for, start, wait_for
from sample import call, model_calls, script, write_script
from vgproject.bootstrap import Services
from vgproject.errors import CommandError, ConflictError
from vgproject.schema import commands as c
from vgproject.schema.agent_outputs import Plan, PlanStep
from vgproject.schema.frames import EventFrame

SUBMIT = {"tool_calls": [call("submit_research", notes="Nothing to do.", needs_implementation=False)]}


def asking(*questions: str, **more: Any) -> dict[str, Any]:
    """A research that asks all at once."""
    calls = [call("ask_user", question=question, choices=["yes", "no"]) for question in questions]
    return script(research=[{"tool_calls": calls}, SUBMIT], **more)


def of_type(frames: list[EventFrame], kind: str) -> list[dict[str, Any]]:
    return [frame.data for frame in frames if frame.type == kind]


async def asked(services: Services, session_id: str, kind: str, number: int = 1) -> list[dict[str, Any]]:
    """What was asked, once so many questions of this kind are there."""
    seq = 0
    while len(found := of_type(frames := await wait_for(services, session_id, kind, after=seq), kind)) < number:
        seq = frames[-1].seq
    return found


async def answer(services: Services, session_id: str, question: dict[str, Any], content: str) -> None:
    command = c.AnswerQuestion(session_id=session_id, question_id=question["question_id"], content=content)
    await services.sessions.execute(command, OWNER)


async def test_a_question_waits_for_the_users_answer_which_the_model_is_given(tmp_path: Path) -> None:
    model = write_script(tmp_path, asking("Shall I?"))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        [question] = await asked(services, session_id, "question_asked")
        view = await services.sessions.get_session(session_id, OWNER)
        await answer(services, session_id, question, "yes")
        with pytest.raises(ConflictError, match="answered already: yes by owner"):
            await answer(services, session_id, question, "no")
        frames = await wait_for(services, session_id, *ENDS)
        done = await services.sessions.get_session(session_id, OWNER)
    assert (question["question"], question["choices"]) == ("Shall I?", ["yes", "no"])
    assert (view.status, view.waiting_for) == ("needs_you", [question["question_id"]])
    assert done.waiting_for == []
    [completed] = of_type(frames, "tool_completed")
    assert (completed["result"], completed["details"]["answered_by"]) == ("yes", "owner")
    assert frames[-1].type == "task_completed"


async def test_questions_stay_over_a_restart_and_are_answered_in_any_order(tmp_path: Path) -> None:
    model = write_script(tmp_path, asking("First?", "Second?"))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        first, second = await asked(services, session_id, "question_asked", 2)
        await answer(services, session_id, second, "two")
        await wait_for(services, session_id, "tool_completed")
    async with services_for(tmp_path, model=model, approvals="never") as services:
        await wait_for(services, session_id, "task_recovered")
        await answer(services, session_id, first, "one")
        frames = await wait_for(services, session_id, *ENDS)
    answers = {data["tool_call_id"]: data["result"] for data in of_type(frames, "tool_completed")}
    assert answers == {first["tool_call_id"]: "one", second["tool_call_id"]: "two"}
    assert len(of_type(frames, "question_asked")) == 2
    assert [call["phase"] for call in model_calls(model)] == ["research"] * 2


async def test_nobody_can_answer_what_is_not_asked_any_more(tmp_path: Path) -> None:
    model = write_script(tmp_path, asking("Shall I?"))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        [question] = await asked(services, session_id, "question_asked")
        await services.sessions.execute(c.Cancel(session_id=session_id), OWNER)
        await wait_for(services, session_id, *ENDS)
        with pytest.raises(ConflictError, match="waits for an answer"):
            await answer(services, session_id, question, "yes")


def judged(proposed: dict[str, Any], decision: Any, session_id: str, **more: Any) -> c.ResolvePlan:
    return c.ResolvePlan(session_id=session_id, approval_id=proposed["approval_id"], decision=decision, **more)


async def test_nothing_is_changed_before_the_plan_is_approved_as_a_person_has_edited_it(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    better = Plan(summary="As I want it.", steps=[PlanStep(id="1", title="Mine")])
    twice = Plan(summary="As I want it.", steps=[PlanStep(id="1", title="Mine"), PlanStep(id="1", title="Yours")])
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services, plan_gate=True)
        [proposed] = await asked(services, session_id, "plan_proposed")
        before = [frame.type for frame in await wait_for(services, session_id, "plan_proposed")]
        with pytest.raises(CommandError, match="more than one step has 1"):
            await services.sessions.execute(judged(proposed, "approve", session_id, plan=twice), OWNER)
        await services.sessions.execute(judged(proposed, "approve", session_id, plan=better), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
    assert "planning_complete" not in before
    assert proposed["plan"]["summary"] == "Add instead of subtracting."
    assert of_type(frames, "planning_complete")[0]["plan"]["summary"] == "As I want it."
    assert frames[-1].type == "task_completed"


async def test_a_plan_that_is_sent_back_is_made_anew_also_after_a_restart(tmp_path: Path) -> None:
    [first] = script()["phases"]["planning"]
    arguments = {**first["tool_calls"][0]["arguments"], "summary": "The second try."}
    model = write_script(tmp_path, script(planning=[first, {"tool_calls": [call("submit_plan", **arguments)]}]))
    async with services_for(tmp_path, model=model, approvals="never", plan_gate=True) as services:
        session_id = await start(services)
        [plan] = await asked(services, session_id, "plan_proposed")
        await services.sessions.execute(judged(plan, "revise", session_id, reason="Too short."), OWNER)
        await asked(services, session_id, "plan_proposed", 2)
    async with services_for(tmp_path, model=model, approvals="never") as services:
        await wait_for(services, session_id, "task_recovered")
        _, second = await asked(services, session_id, "plan_proposed", 2)
        await services.sessions.execute(judged(second, "approve", session_id), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
        turns = await services.sessions.list_turns(session_id, OWNER)
    assert of_type(frames, "planning_complete")[0]["plan"]["summary"] == "The second try."
    told = next(turn.request for turn in turns if (turn.phase, turn.turn) == ("planning", 1))
    assert "Too short." in str(told)
    assert [call["phase"] for call in model_calls(model)].count("planning") == 2


async def test_a_rejected_plan_ends_the_task_with_nothing_changed(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services, plan_gate=True)
        [plan] = await asked(services, session_id, "plan_proposed")
        await services.sessions.execute(judged(plan, "reject", session_id, reason="Leave it."), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
        diff = await services.sessions.diff(session_id, OWNER)
    assert (frames[-1].type, frames[-1].data["reason"]) == ("task_cancelled", "Leave it.")
    assert diff == ""


async def test_a_plan_that_is_all_that_was_asked_for_has_no_gate(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="never", plan_gate=True) as services:
        task = c.TaskCommand(content="Plan it", plan_only=True)
        session_id = str((await services.sessions.execute(task, OWNER))["session_id"])
        frames = await wait_for(services, session_id, *ENDS)
    assert frames[-1].type == "task_completed"
    assert of_type(frames, "plan_proposed") == []


async def test_an_expert_is_another_model_that_sees_only_the_question(tmp_path: Path) -> None:
    question = call("ask_expert", question="Why is it slow?", context="def f(): ...")
    model = write_script(tmp_path, script(research=[{"tool_calls": [question]}, SUBMIT]))
    expert = write_script(tmp_path / "expert", {"phases": {"expert": [{"text": "It is not.", "output_tokens": 7}]}})
    async with services_for(tmp_path, model=model, models={"expert": expert}, approvals="never") as services:
        session_id = await start(services)
        frames = await wait_for(services, session_id, *ENDS)
        turns = await services.sessions.list_turns(session_id, OWNER)
    [completed] = of_type(frames, "tool_completed")
    assert completed["result"] == "It is not."
    [asked_expert] = [turn for turn in turns if turn.phase == "expert"]
    assert "Why is it slow?\\n\\ndef f(): ..." in str(asked_expert.request)
    assert frames[-1].data["usage"]["output_tokens"] == 7
    said = next(frame for frame in frames if frame.type == "agent_message" and frame.data["text"] == "It is not.")
    assert said.actor.id == f"expert:{completed['tool_call_id']}"


async def test_no_expert_is_offered_where_none_is_chosen(tmp_path: Path) -> None:
    model = write_script(tmp_path, script(research=[{"tool_calls": [call("ask_expert", question="Why?")]}, SUBMIT]))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        frames = await wait_for(services, await start(services), *ENDS)
    assert [data["code"] for data in of_type(frames, "tool_failed")] == ["unknown_tool"]


def delegating() -> dict[str, Any]:
    looks = {"tool_calls": [call("read_file", path="calc.py")]}
    found = {"tool_calls": [call("submit_answer", answer="It subtracts.")], "output_tokens": 5}
    writes = {"tool_calls": [call("write_file", path="calc.py", content="")]}
    return {
        "calls_log": "calls.jsonl",
        "tasks": [
            {"match": "the reader", "phases": {"delegate": [looks, found]}},
            {"match": "the writer", "phases": {"delegate": [writes, found]}},
            {
                "phases": {
                    "research": [
                        {"tool_calls": [call("delegate", task="the reader"), call("delegate", task="the writer")]},
                        SUBMIT,
                    ]
                }
            },
        ],
    }


async def test_colleagues_work_side_by_side_change_nothing_and_are_seen(tmp_path: Path) -> None:
    model = write_script(tmp_path, delegating())
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        frames = await wait_for(services, session_id, *ENDS)
        diff = await services.sessions.diff(session_id, OWNER)
    done = [data for data in of_type(frames, "tool_completed") if data["tool"] == "delegate"]
    assert [data["result"] for data in done] == ["It subtracts."] * 2
    actors = {frame.actor.id for frame in frames if frame.type == "tool_requested"}
    assert actors == {"research", *(f"delegate:{data['tool_call_id']}" for data in done)}
    assert [data["code"] for data in of_type(frames, "tool_failed")] == ["unknown_tool"]
    assert diff == ""
    assert frames[-1].data["usage"]["output_tokens"] == 10
    percents = [data["percent"] for data in of_type(frames, "progress_update")]
    assert percents == sorted(percents)


async def test_a_colleague_goes_on_after_a_restart_without_another_call_of_the_model(tmp_path: Path) -> None:
    content = delegating()
    content["tasks"][0]["phases"]["delegate"].insert(1, {"tool_calls": [call("recall", query="x")]})
    content["tasks"][1]["phases"]["delegate"][1]["token_delay_ms"] = 200
    model = write_script(tmp_path, content)
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        await asked(services, session_id, "tool_completed", 2)
    async with services_for(tmp_path, model=model, approvals="never") as services:
        frames = await wait_for(services, session_id, *ENDS)
    assert frames[-1].type == "task_completed"
    assert len(of_type(frames, "task_recovered")) == 1
    counted = [data for data in of_type(frames, "usage_updated") if data["phase"] == "delegate"]
    assert len(counted) == 5
    made = [made["turn"] for made in model_calls(model) if made["phase"] == "delegate"]
    assert len(made) <= 6
