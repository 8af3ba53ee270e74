"""What a person types: a text, or one of the orders that begin with a stroke, and the commands that they become."""

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from vgproject.cli.answers import answer_of, number_of, raised, with_resume
from vgproject.cli.changes import applied_lines, diff_lines
from vgproject.cli.client import Client
from vgproject.cli.event_lines import plan_lines
from vgproject.cli.styles import Styles
from vgproject.cli.terminal.state import Frame, SessionState
from vgproject.cli.transcript import harmless
from vgproject.errors import BadInputError
from vgproject.utils.text import shorten

LIMITS = {"usd": "cost_usd", "tokens": "tokens", "turns": "turns", "seconds": "seconds"}
DECISIONS = ("run_again", "skip", "mark_done")
Edit = Callable[[str], Awaitable[str | None]]


class Orders:
    """Each order calls the server's own command. Raises `VgprojectError` with a sentence for what cannot be done."""

    def __init__(
        self,
        client: Client,
        state: SessionState,
        paint: Styles,
        *,
        say: Callable[[str], None],
        edit: Edit,
        leave: Callable[[], None],
    ) -> None:
        """``edit`` opens the person's editor; ``None`` where it was left without a change."""
        self._client = client
        self._state = state
        self._paint = paint
        self._say = say
        self._edit = edit
        self._leave = leave
        self._drafts: dict[str, str] = {}
        """What was edited and could not be sent, by what it was for."""

    async def obey(self, typed: str) -> None:
        """A blank before a stroke makes a text of it."""
        if not typed.startswith("/"):
            await self._take_text(typed.strip())
            return
        name, _, rest = typed[1:].strip().partition(" ")
        order = next((order for order in ORDERS if name in order.names), None)
        if order is None:
            there = ", ".join(f"/{order.names[0]}" for order in ORDERS)
            raise BadInputError(f"There is no /{name}. There are {there}; a blank before / makes it a text.")
        await order.obey(self, rest.strip())

    async def _command(self, **command: Any) -> Frame:
        return await self._client.command(self._state.session_id, **command)

    async def _take_text(self, text: str) -> None:
        """An answer where something is asked that the text can answer, else a word to the task, or a new task."""
        for asked_id, frame in self._state.questions.items():
            if command := answer_of(asked_id, frame, text):
                return await self._answer(command)
            if frame["type"] not in ("approval_requested", "plan_proposed"):
                break
        answer = await self._command(type="message", content=text)
        self._tell("The running task is told." if "message_id" in answer else "That is a new task.")
        return None

    async def _answer(self, command: Frame) -> None:
        if command.get("decision") == "revise":
            raise BadInputError("Say what it should do instead: /plan revise TEXT")
        for said in with_resume(command):
            await self._command(**said)

    def _tell(self, text: str) -> None:
        self._say(self._paint("dim", text))

    # Answers

    async def approve(self, rest: str) -> None:
        approval_id, frame, rest = self._pick_approval(rest)
        if rest == "edit":
            await self._approve_edited(approval_id, frame)
        elif rest in ("", "session"):
            decision = "approve_for_session" if rest else "approve"
            await self._command(type="resolve_approval", approval_id=approval_id, decision=decision)
        else:
            raise BadInputError(f"/approve takes a number, and 'session' or 'edit', not {rest!r}.")

    async def _approve_edited(self, approval_id: str, frame: Frame) -> None:
        arguments = await self._edit_json(approval_id, frame["data"]["arguments"])
        if arguments is not None:
            command = {"type": "resolve_approval", "approval_id": approval_id, "decision": "approve"}
            await self._command(**command, arguments=arguments)
            self._drafts.pop(approval_id, None)

    async def deny(self, rest: str) -> None:
        approval_id, _, reason = self._pick_approval(rest)
        command = {"type": "resolve_approval", "approval_id": approval_id, "decision": "deny"}
        await self._command(**command, **({"reason": reason} if reason else {}))

    def _pick_approval(self, rest: str) -> tuple[str, Frame, str]:
        """The one whose number ``rest`` begins with, else the oldest; and the rest after it."""
        asked = self._state.asked("approval_requested")
        if not asked:
            plan = " A plan does: /plan approve." if self._state.asked("plan_proposed") else ""
            raise BadInputError(f"No call waits for approval.{plan}")
        first, _, after = rest.partition(" ")
        if not first.isdecimal():
            return *asked[0], rest
        if not 0 < int(first) <= len(asked):
            raise BadInputError(f"There is no approval {first}: {len(asked)} are open.")
        return *asked[int(first) - 1], after.strip()

    async def answer(self, rest: str) -> None:
        asked = self._state.asked("question_asked")
        if not asked:
            raise BadInputError("Nothing is asked.")
        command = answer_of(*asked[0], rest)
        if command is None:
            raise BadInputError("What is the answer? /answer TEXT, or the number of a choice.")
        await self._command(**command)

    async def plan(self, rest: str) -> None:
        decision, _, reason = rest.partition(" ")
        if not decision:
            return self._show_plan()
        asked = self._state.asked("plan_proposed")
        if not asked:
            raise BadInputError("No plan waits for your word.")
        [(approval_id, frame), *_] = asked
        command = {"type": "resolve_plan", "approval_id": approval_id}
        if decision == "edit":
            plan = await self._edit_json(approval_id, frame["data"]["plan"])
            if plan is not None:
                await self._command(**command, decision="approve", plan=plan)
                self._drafts.pop(approval_id, None)
            return None
        if decision not in ("approve", "reject", "revise") or (decision == "revise" and not reason):
            raise BadInputError("It is /plan approve, /plan reject [REASON], /plan revise TEXT or /plan edit.")
        await self._command(**command, decision=decision, **({"reason": reason} if reason else {}))
        return None

    def _show_plan(self) -> None:
        if self._state.plan is None:
            raise BadInputError("There is no plan yet.")
        self._say(plan_lines(self._paint, {"plan": harmless(self._state.plan)}))

    async def recover(self, rest: str) -> None:
        asked = self._state.asked("recovery_decision_requested")
        if not asked or rest not in DECISIONS:
            known = ", ".join(DECISIONS)
            raise BadInputError(f"It is /recover with one of {known}." if asked else "There is nothing to recover.")
        await self._command(type="resolve_recovery", recovery_id=asked[0][0], decision=rest)

    async def _edit_json(self, draft: str, value: Frame) -> Frame | None:
        """``value`` as the person's editor leaves it; ``None`` without a change. What is no JSON is kept for next time."""
        before = self._drafts.get(draft) or json.dumps(value, ensure_ascii=False, indent=2)
        after = await self._edit(before)
        if after is None or (after.strip() == before.strip() and draft not in self._drafts):
            self._tell("Nothing was changed: it still waits for your word.")
            return None
        self._drafts[draft] = after
        try:
            edited = json.loads(after)
        except ValueError as error:
            raise BadInputError(f"That is not JSON ({error}); it is kept: edit it again.") from error
        if not isinstance(edited, dict):
            raise BadInputError("That is no JSON object; it is kept: edit it again.")
        return edited

    # The task

    async def queue(self, rest: str) -> None:
        await self._command(type="message", content=_needed(rest, "/queue TEXT"), delivery="queue")
        self._tell("It is queued.")

    async def stop(self, rest: str) -> None:
        await self._command(type="cancel", **({"reason": rest} if rest else {}))

    async def pause(self, _: str) -> None:
        await self._command(type="pause")

    async def resume(self, _: str) -> None:
        await self._command(type="resume")

    async def retry(self, rest: str) -> None:
        await self._command(type="retry", **({"phase": rest} if rest else {}))

    async def budget(self, rest: str) -> None:
        """Without a unit, that of the limit which is used up, else USD."""
        number, _, unit = rest.partition(" ")
        value = number_of(number.lstrip("$"))
        if value is None or (unit and unit.lower() not in LIMITS):
            raise BadInputError(
                "It is /budget NUMBER, with usd, tokens, turns or seconds behind it where it is not USD."
            )
        exceeded = next((frame for _, frame in self._state.asked("budget_exceeded")), None)
        if exceeded and LIMITS.get(unit.lower(), exceeded["data"]["limit"]) == exceeded["data"]["limit"]:
            settings = raised(exceeded["data"], exceeded["phase"], value)
        else:
            exceeded, settings = None, raised({"limit": LIMITS[unit.lower() or "usd"]}, "", value)
        await self._command(type="update_settings", settings=settings)
        if exceeded:
            await self._command(type="resume")
        self._tell(f"The budget is {value:g} {unit or (exceeded['data']['limit'] if exceeded else 'USD')}.")

    async def model(self, rest: str) -> None:
        if rest:
            phase, equals, name = rest.partition("=")
            chosen = {"models": {phase: name}} if equals and ":" not in phase else {"model": rest}
            await self._command(type="update_settings", settings=chosen)
        settings = (await self._client.request("GET", self._path()))["settings"]
        models = {"model": settings["model"] or "as the server has it", **settings["models"]}
        self._tell(harmless(", ".join(f"{name} {model}" for name, model in models.items())))

    def _path(self, below: str = "") -> str:
        return f"/v1/sessions/{self._state.session_id}{below}"

    # Files and memory

    async def diff(self, _: str) -> None:
        diff = await self._client.request("GET", self._path("/diff"))
        self._say(diff_lines(self._paint, diff) if diff else "Nothing is changed.")

    async def apply(self, _: str) -> None:
        applied = await self._client.request("POST", self._path("/apply"))
        self._say("\n".join(applied_lines(applied["files"])))

    async def rewind(self, rest: str) -> None:
        made = self._state.checkpoints
        if not rest:
            lines = (f"{point.seq:>6}  {point.time[11:19]}  {harmless(', '.join(point.files))}" for point in made)
            return self._say("\n".join(lines) if made else "There is no checkpoint yet.")
        seq = next((point.seq for point in made if point.checkpoint_id == rest), None)
        if seq is None and not rest.isdecimal():
            raise BadInputError("It is /rewind NUMBER; /rewind alone lists the checkpoints with their numbers.")
        await self._command(type="rewind", to_seq=seq or int(rest))
        return None

    async def memory(self, rest: str) -> None:
        project = {"project": self._state.project} if self._state.project else {}
        path, query = ("/v1/memory/search", {"q": rest}) if rest else ("/v1/memory", {})
        entries = await self._client.request("GET", path, params={**project, **query, "limit": 20})
        lines = (f"{self._paint('dim', entry['kind'])}  {harmless(_one_line(entry['content']))}" for entry in entries)
        self._say("\n".join(lines) if entries else "Nothing is known of it.")

    # The terminal

    async def help(self, _: str) -> None:
        self._say("\n".join(help_lines()))

    async def detach(self, _: str) -> None:
        self._leave()


@dataclass(frozen=True)
class Order:
    names: tuple[str, ...]
    arguments: str
    does: str
    obey: Callable[[Orders, str], Awaitable[None]]
    choices: Callable[[SessionState], Iterable[str]] = lambda _: ()
    """What can stand as its first word."""

    @property
    def usage(self) -> str:
        return f"{' or '.join(f'/{name}' for name in self.names)} {self.arguments}".rstrip()


def _numbers(state: SessionState) -> list[str]:
    return [str(number) for number, _ in enumerate(state.asked("approval_requested"), start=1)]


def _phases(state: SessionState) -> list[str]:
    return state.task.phases if state.task else []


ORDERS = (
    Order(
        ("approve",),
        "[N] [session|edit]",
        "let the oldest call that waits (or number N) run; for the whole session; with arguments that you edit",
        Orders.approve,
        lambda state: ["session", "edit", *_numbers(state)],
    ),
    Order(("deny",), "[N] [REASON]", "do not let it run, and say why", Orders.deny, _numbers),
    Order(("answer",), "TEXT", "answer what the agent asks, also by the number of a choice", Orders.answer),
    Order(
        ("plan",),
        "[approve|reject|revise TEXT|edit]",
        "show the plan; follow it, stop, send it back with your reason, or change it yourself",
        Orders.plan,
        lambda _: ("approve", "reject", "revise", "edit"),
    ),
    Order(
        ("recover",),
        "run_again|skip|mark_done",
        "say what to do with a call whose end a crash left unknown",
        Orders.recover,
        lambda _: DECISIONS,
    ),
    Order(("queue",), "TEXT", "give the next task, for when this one has ended", Orders.queue),
    Order(("stop",), "[REASON]", "cancel the task", Orders.stop),
    Order(("pause",), "", "pause the task after its present step", Orders.pause),
    Order(("resume",), "", "let a paused task go on", Orders.resume),
    Order(("retry",), "[PHASE]", "try a failed or cancelled task again, from that phase on", Orders.retry, _phases),
    Order(
        ("budget",),
        "NUMBER [usd|tokens|turns|seconds]",
        "set the limit of a task; one that holds at it goes on",
        Orders.budget,
    ),
    Order(
        ("model",),
        "[PROVIDER:NAME|PHASE=PROVIDER:NAME]",
        "show or choose the model, from the next turn on",
        Orders.model,
        lambda state: [f"{phase}=" for phase in _phases(state)],
    ),
    Order(("diff",), "", "show what the session has changed", Orders.diff),
    Order(("apply",), "", "put the changes into the project, all or none", Orders.apply),
    Order(
        ("rewind",),
        "[NUMBER]",
        "list the checkpoints, or go back to one, files and conversation",
        Orders.rewind,
        lambda state: [str(point.seq) for point in reversed(state.checkpoints)],
    ),
    Order(("memory",), "[QUERY]", "show what is known about the project", Orders.memory),
    Order(("help",), "", "show this", Orders.help),
    Order(("detach", "quit"), "", "leave; the task goes on", Orders.detach),
)


def help_lines() -> list[str]:
    width = 34
    lines = ["A text is for the running task, or a new task where none runs; where the agent asks, it is the answer."]
    for order in ORDERS:
        if len(order.usage) > width:
            lines += [order.usage, f"{'':{width}}  {order.does}"]
        else:
            lines.append(f"{order.usage:{width}}  {order.does}")
    return [
        *lines,
        "Ctrl-C asks what to do and, a second time, leaves; Tab completes; the arrow up brings back what was typed.",
    ]


def _one_line(text: str) -> str:
    return shorten(" ".join(text.split()), 300)


def _needed(text: str, usage: str) -> str:
    if not text:
        raise BadInputError(f"It is {usage}.")
    return text
