"""A bad value as one sentence: the option, its source, its value, and what is allowed."""

from collections.abc import Mapping, Set
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError

from vgproject.config_layers import option_type
from vgproject.errors import ConfigError
from vgproject.repositories.database_url import mask_password


def config_error(
    error: ValidationError, model: type[BaseModel], *, sources: Mapping[str, str], secrets: Set[str]
) -> ConfigError:
    """Of the first of the errors. ``sources`` goes by dotted paths; values of ``secrets`` are not said."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    option = ".".join(path)
    source = _source(option, sources)
    if first["type"] == "extra_forbidden":
        return ConfigError(f"There is no option {option!r} ({source}){_known(path, model)}")
    value = "(secret)" if secrets & set(path) else mask_password(repr(first["input"]))
    return ConfigError(f"The option {option!r} ({source}) is {value}: {_allowed(first['type'], first['msg'])}.")


def _source(option: str, sources: Mapping[str, str]) -> str:
    """Of the option, of the list that it is in, or of the table that it is."""
    above = [known for known in sources if option == known or option.startswith(f"{known}.")]
    below = [known for known in sources if known.startswith(f"{option}.")]
    return sources[next(iter(above or below))] if above or below else "default"


def _known(path: list[str], model: type[BaseModel]) -> str:
    names = list(option_type(model, path[:-1]).model_fields)
    close = get_close_matches(path[-1], names, n=1)
    return f": is {'.'.join([*path[:-1], *close])!r} meant?" if close else f"; there are {', '.join(names)}."


def _allowed(kind: str, message: str) -> str:
    if kind in ("model_type", "dict_type"):
        return "it must be a table of options"
    if message.startswith("Input should be "):
        return f"it must be {message.removeprefix('Input should be ')}"
    return message.removeprefix("Value error, ")
