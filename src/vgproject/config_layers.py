"""The layers of configuration: files and environment, put together key by key with the source of every value."""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from vgproject.errors import ConfigError

PREFIX = "VGPROJECT_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
OptionPath = tuple[str, ...]
"""``("limits", "frame_bytes")`` is ``limits.frame_bytes`` in a file and ``VGPROJECT_LIMITS__FRAME_BYTES`` outside."""


class Merged:
    """``values`` as nested tables, and in ``sources`` where each comes from, by its dotted path."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}

    def put(self, layer: Mapping[str, Any], source_of: Callable[[OptionPath], str]) -> None:
        """Values of ``layer`` win over those that are there."""
        self._put(self.values, layer, source_of, ())

    def _put(
        self,
        values: dict[str, Any],
        layer: Mapping[str, Any],
        source_of: Callable[[OptionPath], str],
        above: OptionPath,
    ) -> None:
        for name, value in layer.items():
            path = (*above, name)
            if isinstance(value, Mapping):
                if not isinstance(values.get(name), dict):
                    values[name] = {}
                    self.sources.pop(".".join(path), None)
                self._put(values[name], value, source_of, path)
            else:
                values[name] = value
                self._forget_below(".".join(path))
                self.sources[".".join(path)] = source_of(path)

    def _forget_below(self, option: str) -> None:
        for known in [known for known in self.sources if known.startswith(f"{option}.")]:
            del self.sources[known]


def read_file(path: Path, *, required: bool = False) -> dict[str, Any]:
    """A file's values; nothing where it is missing and not ``required``. Raises `ConfigError`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        if not required:
            return {}
        raise ConfigError(f"There is no configuration file {path}.") from error
    except OSError as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"The configuration file {path} is not TOML: {error}.") from error


def variable(path: Sequence[str]) -> str:
    return PREFIX + "__".join(path).upper()


def read_environment(model: type[BaseModel], environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The values of ``model``'s options, and a sentence for each variable that is none of them.

    An empty variable is as one that is not set. Raises `ConfigError` for one that names a whole table.
    """
    values: dict[str, Any] = {}
    unknown: list[str] = []
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE or not text:
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        kind = option_type(model, path)
        if kind is None:
            unknown.append(_unknown(model, name, path))
            continue
        if _is_table(kind):
            example = next(option_names(kind, "NAME", path))
            raise ConfigError(f"{name} is {text!r}, but it is a table: set its options, as {variable(example)}.")
        table = values
        for part in path[:-1]:
            table = table.setdefault(part, {})
        table[path[-1]] = _split(text) if get_origin(kind) is list else text
    return values, unknown


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _unknown(model: type[BaseModel], name: str, path: OptionPath) -> str:
    key = path[1] if len(path) > 1 else "NAME"
    known = [CONFIG_VARIABLE, *(variable(option) for option in option_names(model, key))]
    close = get_close_matches(name, known, n=1)
    return f"{name} is no option and does nothing{f': is {close[0]} meant?' if close else '.'}"


def option_type(kind: Any, path: Sequence[str]) -> Any:
    """The type of the option at ``path`` below ``kind``; ``None`` where there is no such option."""
    for name in path:
        kind = _plain(kind)
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        elif _is_table(kind) and name in kind.model_fields:
            kind = kind.model_fields[name].annotation
        else:
            return None
    return _plain(kind)


def option_names(kind: Any, key: str, above: OptionPath = ()) -> Iterator[OptionPath]:
    """The paths of all options below ``kind``; ``key`` stands for a name that is free to choose."""
    kind = _plain(kind)
    if get_origin(kind) is dict:
        yield from option_names(get_args(kind)[1], key, (*above, key))
    elif _is_table(kind):
        for name, field in kind.model_fields.items():
            yield from option_names(field.annotation, key, (*above, name))
    else:
        yield above


def _is_table(kind: Any) -> bool:
    return get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, BaseModel))


def _plain(kind: Any) -> Any:
    """``kind`` without its annotations, and without the ``None`` of an option that may be left out."""
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return _plain(next(choice for choice in get_args(kind) if choice is not NoneType))
    return kind
