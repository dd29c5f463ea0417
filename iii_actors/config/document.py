"""A YAML document: its values, and the line of each (config-and-cli.md §1). Strict about keys."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.reader import ReaderError

from iii_actors.config.problems import Path
from iii_actors.errors import ConfigError

__all__ = ["line_of", "read"]


def read(text: str, source: str) -> tuple[Any, yaml.Node | None]:
    """Return the document and its node tree, which knows the lines; raises ``ConfigError``."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        _refuse_odd_keys(root, source)  # before merge keys (<<) are resolved, which writes into the tree
        return (None if root is None else loader.construct_document(root)), root
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}" if mark else source
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(place, f"is not YAML: {problem}", "check indentation, quotes and colons") from None
    except ReaderError as error:
        problem = f"is not YAML: character {error.character:#x} at position {error.position} is not allowed"
        raise ConfigError(source, problem, "remove it") from None
    except RecursionError:
        raise ConfigError(source, "is nested too deeply to be read", "simplify it") from None
    except ValueError as error:  # an impossible date, for example
        raise ConfigError(source, f"cannot be read: {error}", "correct the value, or put it in quotes") from None


def _refuse_odd_keys(root: yaml.Node | None, source: str) -> None:
    """Refuse keys given twice, of which YAML would silently take the last, and keys that are not text."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = set[str]()
            for key, value in node.value:
                place = f"{source}:{key.start_mark.line + 1}"
                if key.tag == "tag:yaml.org,2002:merge":
                    pass
                elif key.tag != "tag:yaml.org,2002:str":
                    raise ConfigError(place, "a key is not text", "put it in quotes")
                elif key.value in keys:
                    raise ConfigError(place, f"`{key.value}` is given twice", "keep one")
                else:
                    keys.add(key.value)
                waiting.append(value)


def line_of(root: yaml.Node | None, path: Path) -> int:
    """Return the line (from 1) of the value at `path`, or of what comes nearest to it."""
    node, line = root, 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
