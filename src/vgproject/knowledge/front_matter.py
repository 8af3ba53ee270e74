"""An entry as a Markdown file: its fields as YAML between two lines of ``---``, an empty line, its content."""

import re
from typing import Any

import yaml
from pydantic import JsonValue
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.reader import ReaderError

from vgproject.errors import BadInputError

FRONT = re.compile(r"---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)\n?", re.DOTALL | re.MULTILINE)
PLAIN = re.compile(r"[ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010fffe]*")
"""Text of one line that any editor shows as it is."""
TAG = "tag:yaml.org,2002:"
EXPECTED = "a file of memory begins with fields such as 'kind: key_fact' between two lines '---'"


def to_markdown(fields: dict[str, JsonValue], content: str) -> str:
    """The same text for the same fields, whatever their order. `from_markdown` gives both back exactly."""
    front = yaml.dump(fields, Dumper=_Dumper, allow_unicode=True, width=float("inf")) if fields else ""
    return f"---\n{front}---\n\n{content}\n"


def from_markdown(text: str, *, source: str = "The entry") -> tuple[dict[str, JsonValue], str]:
    """Also what an editor or git has changed: a byte order mark, all line ends, a missing empty line or last line end.

    Raises `BadInputError` (``bad_import``) with ``source`` and the line.
    """
    text = text.removeprefix("\ufeff")
    if re.match(r"---[ \t]*\r\n", text):
        text = text.replace("\r\n", "\n")
    front = FRONT.match(text)
    if front is None:
        raise _error(source, 1, "there is no front matter")
    return _load(front[1], source), text[front.end() :].removesuffix("\n")


def _load(front: str, source: str) -> dict[str, JsonValue]:
    if conflict := re.search(r"^(?:<{7}|>{7}) ", front, re.MULTILINE):
        raise _error(source, front.count("\n", 0, conflict.start()) + 2, "a merge conflict is not settled")
    try:
        fields = yaml.load(front, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _error(source, mark.line + 2 if mark else 2, str(error.problem or error.context)) from error
    except ReaderError as error:
        line = front.count("\n", 0, error.position) + 2
        raise _error(source, line, f"the character {chr(error.character)!r} is not allowed here") from error
    except RecursionError as error:
        raise _error(source, 2, "the fields are nested too deeply") from error
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise _error(source, 2, "here are no fields")
    return fields


def _error(source: str, line: int, problem: str) -> BadInputError:
    return BadInputError(f"{source}, line {line}: {problem}; {EXPECTED}.", code="bad_import", line=line)


class _Dumper(yaml.SafeDumper):
    """Quotes what readers of any version of YAML could take for something else than text."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar(f"{TAG}str", text, style=None if PLAIN.fullmatch(text) else '"')


_Dumper.add_representer(str, _Dumper.represent_text)


class _Loader(yaml.SafeLoader):
    """Makes nothing but JSON values: a date is text as it is written, and so are ``yes`` and ``12:30``."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            alias: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise ComposerError(None, None, "an alias is not allowed", alias.start_mark)
        return super().compose_node(parent, index)

    def make_text(self, node: yaml.ScalarNode) -> str:
        return str(self.construct_scalar(node))

    def make_null(self, node: yaml.ScalarNode) -> None:
        self.construct_scalar(node)

    def make_bool(self, node: yaml.ScalarNode) -> bool:
        return self.make_text(node).lower() == "true"

    def make_int(self, node: yaml.ScalarNode) -> int:
        try:
            return int(self.make_text(node))
        except ValueError as error:
            raise _problem(node, "this is no whole number, or too long for one") from error

    def make_float(self, node: yaml.ScalarNode) -> float:
        try:
            return float(self.make_text(node).replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError as error:
            raise _problem(node, "this is no number") from error

    def make_list(self, node: yaml.Node) -> list[JsonValue]:
        if not isinstance(node, yaml.SequenceNode):
            raise _problem(node, "this is no list")
        return [self.construct_object(item, deep=True) for item in node.value]

    def make_object(self, node: yaml.Node) -> dict[str, JsonValue]:
        if not isinstance(node, yaml.MappingNode):
            raise _problem(node, "here are no fields")
        made: dict[str, JsonValue] = {}
        for name_node, value_node in node.value:
            name = self.construct_object(name_node, deep=True)
            if not isinstance(name, str):
                raise _problem(name_node, f"the name of a field is text, not {name!r}")
            if name in made:
                raise _problem(name_node, f"the field {name!r} is here a second time")
            made[name] = self.construct_object(value_node, deep=True)
        return made

    def refuse(self, node: yaml.Node) -> None:
        raise _problem(node, f"the tag {node.tag!r} is not allowed")


def _problem(node: yaml.Node, problem: str) -> ConstructorError:
    return ConstructorError(None, None, problem, node.start_mark)


_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {}
for name, make, pattern, first in (
    ("null", _Loader.make_null, r"(?:~|null|Null|NULL|)\Z", ["~", "n", "N", ""]),
    ("bool", _Loader.make_bool, r"(?:true|True|TRUE|false|False|FALSE)\Z", list("tTfF")),
    ("int", _Loader.make_int, r"[-+]?(?:0|[1-9][0-9]*)\Z", list("-+0123456789")),
    (
        "float",
        _Loader.make_float,
        r"(?:[-+]?(?:[0-9]+\.[0-9]*(?:[eE][-+][0-9]+)?|\.inf)|\.nan)\Z",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(TAG + name, re.compile(pattern), first)
    _Loader.add_constructor(TAG + name, make)
_Loader.add_constructor(f"{TAG}str", _Loader.make_text)
_Loader.add_constructor(f"{TAG}seq", _Loader.make_list)
_Loader.add_constructor(f"{TAG}map", _Loader.make_object)
_Loader.add_constructor(None, _Loader.refuse)
