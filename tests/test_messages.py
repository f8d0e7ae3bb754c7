"""Whatever the package says to a person, some test asserts: in which words, and hence when."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SAID = ("say", "refuse", "require", "warning", "warn")  # functions that take a message
LEAST = 12  # characters of a message that a test has to name


def texts(node: ast.AST) -> Iterator[str]:
    """The literal parts of a message, without those that only say how a number is written."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif isinstance(node, ast.FormattedValue):
        yield from texts(node.value)
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def messages(source: str) -> Iterator[tuple[int, list[str]]]:
    """Lines and literal parts of all that is raised or said."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name.endswith("Error") or name in SAID:
                parts = [part.strip() for argument in node.args for part in texts(argument)]
                yield node.lineno, [part for part in parts if len(part) >= LEAST]


def is_named(parts: list[str], asserted: str) -> bool:
    """Whether some characters of a message stand in a test."""
    return any(part[at : at + LEAST] in asserted for part in parts for at in range(len(part) - LEAST + 1))


def literals(source: str) -> str:
    """All strings of a test, regular expressions as what they match."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return "\n".join(re.sub(r"\\(.)", r"\1", node.value) for node in nodes if isinstance(node.value, str))


def test_every_message_is_asserted():
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    asserted = "\n".join(literals(path.read_text()) for path in tests)
    found, unnamed = 0, []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for line, parts in messages(path.read_text()):
            found += bool(parts)
            if parts and not is_named(parts, asserted):
                unnamed.append(f"{path.relative_to(ROOT)}:{line}: {' ... '.join(parts)}")
    assert found > 300
    assert unnamed == []


def test_what_is_not_asserted_is_found():
    source = 'def f(x):\n    raise ValueError(f"a name of {x:>9,} letters is not allowed")\n'
    [(line, parts)] = messages(source)
    assert (line, parts) == (2, ["letters is not allowed"])
    assert not is_named(parts, literals('assert "letters" in message'))
    assert is_named(parts, literals('match=r"a letters is not\\."'))
