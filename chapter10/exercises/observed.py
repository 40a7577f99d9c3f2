"""What was observed, told in the reader's language.

While an answer is looked at, observations have English names, by which they are compared, such as "the loss with two
classes". What a name is made of stands in its task's `observe`: there it is found, and said, when a verdict is shown.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache

from chapter10.exercises.task import Task
from chapter10.language import chosen, noted, say, template

NOTES = (  # what `look` itself notes
    noted("at least {0}"),
    noted("at most {0}"),
    noted("no gradient"),
    noted("a tensor of shape {0}"),
    noted("complex numbers"),
    noted("an array that holds no numbers"),
    noted("a {0}"),
    noted("an {0}"),
    noted("number {0}"),
)


def said(task: Task, text: str) -> str:
    """The name of an observation, or a note on it, in the reader's language; in English where the catalogue has no words for it."""
    return text if chosen() == "en" else _said(text, templates(task.observe.__module__))


def _said(text: str, known: tuple[str, ...]) -> str:
    if say(text) != text:
        return say(text)
    for english in known:
        chinese = say(english)
        found = re.fullmatch(_pattern(english), text, re.S) if chinese != english else None
        if found:
            return chinese.format(*(_said(part, known) for part in found.groups()))
    return text


@cache
def templates(module: str) -> tuple[str, ...]:
    """The messages with places that the observations of a module's tasks are made of; first those that begin with most words."""
    try:
        own = messages(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError):  # a task that was made in a notebook has no file
        own = iter(())
    found = {message for message in (*own, *NOTES) if "{" in message}
    return tuple(sorted(found, key=lambda message: (len(message.split("{")[0]), len(message)), reverse=True))


def messages(source: str) -> Iterator[str]:
    """What observations are called in a task's code: what is handed to `look`, and the words that are put into it."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef) and any(argument.arg == "look" for argument in function.args.args):
            for statement in function.body[ast.get_docstring(function) is not None :]:
                yield from _strings(statement)


def _strings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        if re.search("[A-Za-z]{2}", re.sub(r"\{\d+\}", "", template(node))):
            yield template(node)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):  # its format is no word
                yield from _strings(part.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        if re.search("[A-Za-z]{2}", node.value):
            yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _strings(child)


@cache
def _pattern(english: str) -> str:
    parts = re.split(r"\{\d+\}", english)
    return "(.*?)".join(re.escape(part.replace("{{", "{").replace("}}", "}")) for part in parts)
