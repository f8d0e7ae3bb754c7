"""What is counted of the package's structure: imports, their direction and chains, parameters, special cases.

python -m tests.house            # a table of the figures
python -m tests.house OTHER/src  # of another tree
"""

import ast
import functools
import sys
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src"

FLOORS = (
    ("errors", "brief", "progress", "condition", "masks"),
    ("kernels", "colours"),
    ("config",),
    ("zoo",),
    ("runs",),
    ("outputs", "scan"),
    ("walk",),
    ("nn",),
    ("local",),
    ("plots", "data"),
    ("model",),
    ("train",),
    ("codec",),
    ("archive",),
    ("scores", "agents", "pack"),
    ("inspection",),
    ("app",),
    ("scale",),
    ("studio",),
    ("service",),
    ("cli", "pillow"),
    ("__init__", "__main__"),
)
"""The rooms from the ground up: imports point downward, or stay within a room."""


def modules(source: Path = SOURCE) -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((source / "pixelrnn").rglob("*.py")):
        name = ".".join(path.relative_to(source).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


@functools.cache
def imports(source: Path = SOURCE) -> dict[str, set[str]]:
    """What each module imports of the package: anywhere in it, for types only, and by names in strings."""
    known = modules(source)
    found = {name: _imported(ast.parse(path.read_text(encoding="utf-8")), known) for name, path in known.items()}
    found["pixelrnn"] = set()  # its public names are of all rooms
    return {name: targets - {name, "pixelrnn"} for name, targets in found.items()}


def _imported(tree: ast.Module, known: dict[str, Path]) -> set[str]:
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & known.keys() or {node.module}
            if names - known.keys():
                found.add(node.module)
        elif isinstance(node, ast.Constant) and id(node) not in docstrings and node.value in known:
            found.add(node.value)
    return found


def room(name: str) -> str:
    """The room of a module."""
    return [*name.split("."), "__init__"][1]


def upward(source: Path = SOURCE) -> list[str]:
    """The imports that point upward."""
    floor = {name: number for number, rooms in enumerate(FLOORS) for name in rooms}
    return [
        f"{name} -> {target}"
        for name, targets in imports(source).items()
        for target in sorted(targets)
        if room(name) != room(target) and floor[room(target)] >= floor[room(name)]
    ]


def longest_chain(source: Path = SOURCE) -> list[str]:
    """The longest chain of modules that import each other."""
    graph = imports(source)

    @functools.cache
    def below(name: str) -> tuple[str, ...]:
        return (name, *max((below(target) for target in graph[name]), key=len, default=()))

    return list(max(map(below, graph), key=len))


def functions(source: Path = SOURCE) -> list[tuple[int, str]]:
    """How many parameters each function has, but self and cls, and where it is."""
    found = []
    for name, path in modules(source).items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = len(every) - bool(every and every[0].arg in ("self", "cls"))
                count += (node.args.vararg is not None) + (node.args.kwarg is not None)
                found.append((count, f"{name}.{node.name}"))
    return sorted(found, reverse=True)


def special_cases(source: Path = SOURCE) -> list[str]:
    """Lines of code outside of `local/` that name the local network: its modules, classes, or the architecture."""
    found = []
    for name, path in modules(source).items():
        if room(name) == "local":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)} | _addresses(tree)
        lines = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                is_named = node.value == "local" or "'local'" in node.value or "pixelrnn.local" in node.value
            elif isinstance(node, ast.ImportFrom):
                is_named = (node.module or "").startswith("pixelrnn.local")
            else:
                word = node.id if isinstance(node, ast.Name) else ""
                is_named = word.startswith("Local") or "local" in word.lower().split("_")
            if is_named:
                lines.add(node.lineno)
        found += [f"{name}:{line}" for line in sorted(lines)]
    return found


def _addresses(tree: ast.Module) -> set[int]:
    """What is an address of a cluster: Ray's word for one on this machine is the same."""
    pairs = [
        pair
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for pair in zip(node.keys, node.values, strict=True)
    ]
    return {id(value) for key, value in pairs if isinstance(key, ast.Constant) and key.value == "address"}


def figures(source: Path = SOURCE) -> dict[str, int]:
    """All figures."""
    counts = [count for count, _ in functions(source)]
    cases = special_cases(source)
    return {
        "modules in the root": len(list((source / "pixelrnn").glob("*.py"))),
        "longest chain of imports": len(longest_chain(source)),
        "functions with 8 parameters and more": sum(count >= 8 for count in counts),
        "functions with 6 parameters and more": sum(count >= 6 for count in counts),
        "lines outside of local/ that name it": len(cases),
        "files with such lines": len({case.split(":")[0] for case in cases}),
    }


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE
    for what, number in figures(where).items():
        print(f"{what:<40} {number:>4}")
    print("\nlongest chain:", *longest_chain(where), sep="\n  ")
    print("\nmost parameters:", *(f"{count:>2} {name}" for count, name in functions(where) if count >= 6), sep="\n  ")
    print("\nlocal is named at:", *special_cases(where), sep="\n  ")
    if where == SOURCE:
        print("\nupward:", *upward(where), sep="\n  ")
