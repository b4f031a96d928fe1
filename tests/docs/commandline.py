"""The commands in a document's shell blocks and code spans, held against the program as it is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import typer.main

from lifeline.cli import app

_HERE = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_WRAPPERS = re.compile(r"(?:sudo|env|exec|time|nohup|if|!|then|do|while|until)")
_OURS = re.compile(r"(?:\S*/)?lifeline(?:-admin)?")
_BREAKS = {"&&", "||", "|", ";", "&", "(", ")", ";;", "{", "}", "|&"}


def logical_lines(text: str) -> Iterator[str]:
    """Lines of shell, continued ones joined, without what a here-document holds."""
    lines = iter(re.sub(r"""(?m)(^|\s)#[^"\n]*$""", "", text).splitlines())  # no comment of ours has a quotation mark
    for line in lines:
        whole = line
        while whole.endswith("\\") or whole.count("'") % 2:
            following = next(lines, None)
            if following is None:
                break
            whole = f"{whole.removesuffix(chr(92))} {following}" if whole.endswith("\\") else f"{whole}\n{following}"
        yield re.sub(r"\d?>&\d", "", whole)
        for end in _HERE.findall(whole):
            while next(lines, end).strip() != end:
                pass


def simple_commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a shell text, without assignments, redirections and what stands before it."""
    for line in logical_lines(text):
        inner = re.findall(r"\$\(([^()]*)\)", line)
        for part in (re.sub(r"\$\([^()]*\)", "X", line), *inner):
            words = shlex.shlex(part, posix=True, punctuation_chars="();|&{}")
            words.whitespace_split = True
            one: list[str] = []
            for word in [*words, ";"]:
                if word in _BREAKS:
                    yield from [_bare(one)] if _bare(one) else []
                    one = []
                else:
                    one.append(word)


def _bare(words: list[str]) -> list[str]:
    """A command's words from its program on; redirections and what follows them left out."""
    while words and (re.match(r"\w+=", words[0]) or _WRAPPERS.fullmatch(words[0])):
        words = words[1:]
    kept = []
    for at, word in enumerate(words):
        if not re.match(r"\d?[<>]", word) and not (at and re.fullmatch(r"\d?(>>?|<)", words[at - 1])):
            kept.append(word)
    return kept


def ours(words: list[str]) -> list[str] | None:
    """What is said to `lifeline`, however it is called; None for another program."""
    if words[:3] == ["docker", "compose", "run"] and "tools" in words:
        return words[words.index("tools") + 1 :]
    if words[:2] == ["docker", "run"] and any(word.startswith("urban-lifeline") for word in words):
        return words[next(at for at, word in enumerate(words) if word.startswith("urban-lifeline")) + 1 :]
    if words[1:3] == ["-m", "lifeline"]:
        return words[3:]
    return words[1:] if _OURS.fullmatch(words[0]) else None


def fault(words: list[str], *, whole: bool) -> str:
    """What is wrong with what is said to `lifeline`; empty: nothing. `whole`: all that it needs must be there.

    Prose names commands and options in part; what stands in a block must do as it is.
    """
    command: Any = typer.main.get_command(app)
    words = [word for word in words if word != "…"]
    while (inner := getattr(command, "commands", None)) is not None and words and not words[0].startswith("-"):
        if words[0] in inner:
            command, words = inner[words[0]], words[1:]
        elif command.name == "drill":  # what is no command of it is a storyline to play
            command = inner["play"]
        else:
            return f"no such command: {words[0]}, try {', '.join(inner)}"
    try:
        with command.context_class(command) as context:
            given, left, _ = command.make_parser(context).parse_args(list(words))
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        told = str(error.format_message())
        return "" if not whole and told.endswith("requires an argument.") else told
    if whole and (gone := [one.name for one in command.params if one.required and not given.get(one.name)]):
        return f"{', '.join(gone)}: missing"
    return f"{' '.join(left)}: too much" if left and not getattr(command, "commands", None) else ""
