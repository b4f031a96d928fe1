"""The page of commands: every one with its arguments and options, from the command line's own declarations."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args, get_origin

import typer.main

from lifeline.cli import app
from lifeline.settings import KEYS
from tests.docs.reference.markdown import code, page, prose, table

INTRO = """\
Every command and sub-command. `--help` behind any of them says the same. What they return stands in
[codes](codes.md#exit-codes). Where a variable stands beside an option, it is what holds when the option is not given;
see [settings](settings.md)."""


def commands(command: Any = None, path: tuple[str, ...] = ("lifeline",)) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - typer names no class of its own
    """Every command by its words, groups before what is in them."""
    command = typer.main.get_command(app) if command is None else command
    yield path, command
    for name, inside in getattr(command, "commands", {}).items():
        yield from commands(inside, (*path, name))


def parameters(command: Any) -> list[Any]:  # noqa: ANN401 - as above
    """What a command takes, `--help` left out."""
    return [one for one in command.params if one.name != "help" and not one.hidden]


def is_argument(parameter: Any) -> bool:  # noqa: ANN401 - as above
    """Whether it is told by its place, not by a flag."""
    return not parameter.opts[0].startswith("-")


def commands_page() -> str:
    """The page."""
    parts = []
    for path, command in commands():
        if len(path) == 1:
            continue
        parts.append(f"{'#' * len(path)} {' '.join(path)}")
        parts.append(_says(command.help or ""))
        inside = getattr(command, "commands", {})
        if inside:
            own = ((f"[`{name}`](#{'-'.join((*path, name))})", _first(one.help)) for name, one in inside.items())
            parts.append(table(("sub-command", "what"), own))
        else:
            parts.append(_usage(path, command))
        rows = [_row(one) for one in parameters(command)]
        if rows:
            parts.append(table(("takes", "value", "default", "variable", "meaning"), rows))
    return page("Commands", INTRO, *parts)


def _says(text: str) -> str:
    return "\n\n".join(prose(part) for part in inspect.cleandoc(text).replace("\b", "").split("\n\n"))


def _first(text: str | None) -> str:
    return prose(inspect.cleandoc(text or "").split("\n\n")[0])


def _usage(path: tuple[str, ...], command: Any) -> str:  # noqa: ANN401 - as above
    words = [*path]
    for one in parameters(command):
        if is_argument(one):
            name = one.metavar or one.name.upper()
            shown = name + ("…" if one.nargs != 1 else "")
            words.append(shown if one.required else f"[{shown}]")
        elif one.required:
            words.append(f"{one.opts[-1]} …")
    return code(" ".join(words))


def _row(one: Any) -> tuple[str, str, str, str, str]:  # noqa: ANN401 - as above
    flags = [*one.opts, *one.secondary_opts]
    name = code(one.metavar or one.name.upper()) if is_argument(one) else ", ".join(map(code, flags))
    variable = one.envvar or (f"LIFELINE_{one.name.upper()}" if _is_setting(one) else "")
    needed = " (needed)" if one.required and not is_argument(one) else ""
    return name, _value(one) + needed, _default(one), code(variable) if variable else "", prose(one.help)


def _is_setting(one: Any) -> bool:  # noqa: ANN401 - as above
    return one.name in KEYS and not is_argument(one) and not one.required and one.default is None


def _value(one: Any) -> str:  # noqa: ANN401 - as above
    kind = one.type_descriptor.annotation
    if getattr(one, "is_flag", False):
        return ""
    several = get_origin(kind) in (list, tuple)
    kind = get_args(kind)[0] if several else kind
    if isinstance(kind, type) and issubclass(kind, Enum):
        text = ", ".join(code(word.value) for word in kind)
    elif get_args(kind):
        text = ", ".join(code(word) for word in get_args(kind) if word is not type(None))
    else:
        text = {"Path": "path", "int": "whole number", "float": "number", "str": "text"}[kind.__name__]
    low, high = (getattr(one.type_descriptor.parameter_info, bound, None) for bound in ("min", "max"))
    text += "" if low is None else f" from {low:g}"
    text += "" if high is None else f" to {high:g}"
    return f"{text}, again and again" if several and one.multiple else text


def _default(one: Any) -> str:  # noqa: ANN401 - as above
    if one.default in (None, "", False) or callable(one.default) or one.required:
        return ""
    if isinstance(one.default, list | tuple):
        return ", ".join(map(code, one.default))
    if one.default is True:
        return code(one.opts[0])
    if isinstance(one.default, float):
        return code(f"{one.default:g}")
    return code(one.default.value if isinstance(one.default, Enum) else one.default)
