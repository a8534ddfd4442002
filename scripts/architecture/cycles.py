"""Checks that no modules of a crate import each other in a cycle.

A module is a file, and imports another one if it names it: in `use`, in a path that starts with crate, self or
super, or in a path that starts with a child module. Names that a module re-exports count as imports of the module
that defines them. Code under #[cfg(test)] and the root of a crate are not considered.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from architecture import metadata
from architecture.metadata import ROOT

# A module by its path in the crate, of which the root is empty.
Module = tuple[str, ...]

_NO_CODE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | b?r(\#*)".*?"\1 | b?"(?:\\.|[^"\\])*" | b?'(?:\\.[^']*|[^'\\\n])'""",
    re.VERBOSE | re.DOTALL)
_TEST_ITEM = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*[^;{]*")
_INLINE_MODULE = re.compile(r"\bmod\s+\w+\s*\{")
_MODULE_FILE = re.compile(r"\bmod\s+(?:r\#)?(\w+)\s*;")
_USE = re.compile(r"\buse\s+([^;]+);")
_PATH = re.compile(r"(?<![\w:])(?:crate|self|super)(?:\s*::\s*\w+)+")


@dataclass
class Source:
    """One module: what it names, and the paths behind the names that it imports."""

    paths: set[Module] = field(default_factory=set)
    names: dict[str, Module] = field(default_factory=dict)


def main() -> bool:
    argparse.ArgumentParser(prog="scripts/check-cycles", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    roots = {
        Path(target["src_path"])
        for package in metadata.members(metadata.read()).values() for target in package["targets"]
        if "custom-build" not in target["kind"]
    }
    is_clean = True
    for root in sorted(roots):
        for cycle in cycles(root):
            is_clean = False
            print(f"{root.relative_to(ROOT)}: {' -> '.join('::'.join(module) for module in [*cycle, cycle[0]])}")
    return is_clean


def cycles(root: Path) -> list[list[Module]]:
    """Returns one shortest cycle of each group of modules of a crate that import each other."""
    sources = dict(_read_modules(root, (), root.parent))
    graph = {
        module: {target for path in source.paths if (target := _resolve(path, sources)) and target != module}
        for module, source in sources.items() if module
    }
    return [_shortest_cycle(group, graph) for group in _connected_groups(graph)]


def _read_modules(file: Path, module: Module, folder: Path) -> Iterator[tuple[Module, Source]]:
    """Yields a module and its descendants, whose files are in `folder`."""
    code = _without_tests(_NO_CODE.sub(" ", file.read_text(encoding="utf-8")))
    children = _MODULE_FILE.findall(code)
    yield module, _read_source(code, module, children)
    for child in children:
        candidates = (folder / f"{child}.rs", folder / child / "mod.rs")
        path = next((path for path in candidates if path.is_file()), None)
        # A module with a #[path] attribute has none of these files.
        if path:
            yield from _read_modules(path, (*module, child), folder / child)


def _without_tests(code: str) -> str:
    while found := _TEST_ITEM.search(code):
        end = _block_end(code, found.end()) if code[found.end():found.end() + 1] == "{" else found.end() + 1
        code = code[:found.start()] + code[end:]
    return code


def _block_end(code: str, start: int) -> int:
    """Returns the position after the block that starts at `start`."""
    depth = 0
    for position in range(start, len(code)):
        depth += {"{": 1, "}": -1}.get(code[position], 0)
        if depth == 0:
            return position + 1
    return len(code)


def _read_source(code: str, module: Module, children: list[str]) -> Source:
    # In an inline module, `super` is the module of the file.
    while found := _INLINE_MODULE.search(code):
        end = _block_end(code, found.end() - 1)
        code = code[:found.start()] + code[found.end():end - 1].replace("super::", "self::", ) + code[end:]
    source = Source()
    for tree in _USE.findall(code):
        for words, name in _expand(re.sub(r"\s+", " ", tree)):
            path = _absolute(words, module, children)
            if path is not None:
                source.paths.add(path)
                if name:
                    source.names[name] = path
    bodies = _USE.sub(" ", code)
    own = re.compile(rf"(?<![\w:])(?:{'|'.join(children)})(?:\s*::\s*\w+)+") if children else None
    for path_text in [*_PATH.findall(bodies), *(own.findall(bodies) if own else [])]:
        path = _absolute([word.strip() for word in path_text.split("::")], module, children)
        if path is not None:
            source.paths.add(path)
    return source


def _expand(tree: str) -> Iterator[tuple[list[str], str]]:
    """Yields the paths of a `use` tree, each with the name that it introduces; none for a glob."""
    head, brace, rest = tree.partition("{")
    prefix = [word.strip() for word in head.split("::") if word.strip()]
    if brace:
        for part in _split(rest.rpartition("}")[0]):
            for words, name in _expand(part):
                yield [*prefix, *words], name if words != ["self"] else prefix[-1]
        return
    *words, last = prefix
    last, _, alias = last.partition(" as ")
    yield ([*words], "") if last == "*" else ([*words, last], alias.strip() or last)


def _split(parts: str) -> Iterator[str]:
    """Splits at commas that are not within braces."""
    depth, current = 0, ""
    for character in parts:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            yield current
            current = ""
        else:
            current += character
    if current.strip():
        yield current


def _absolute(words: list[str], module: Module, children: list[str]) -> Module | None:
    """Returns a path from the root of the crate; None if it leads to another crate."""
    base: Module
    match words:
        case ["crate", *rest]:
            base = ()
        case ["self", *rest]:
            base = module
        case ["super", *rest]:
            base = module[:-1]
            while rest and rest[0] == "super":
                base, rest = base[:-1], rest[1:]
        case [first, *_] if first in children:
            base, rest = module, words
        case _:
            return None
    return (*base, *(word for word in rest if word != "self"))


def _resolve(path: Module, sources: dict[Module, Source], depth: int = 0) -> Module | None:
    """Returns the module that defines what a path names; None for the root of the crate."""
    for length in range(len(path), -1, -1):
        module = path[:length]
        if module not in sources:
            continue
        name = path[length] if length < len(path) else ""
        behind = sources[module].names.get(name)
        if behind is not None and behind != path and depth < 8:
            return _resolve((*behind, *path[length + 1:]), sources, depth + 1)
        return module or None
    return None


def _connected_groups(graph: dict[Module, set[Module]]) -> Iterator[list[Module]]:
    """Yields the groups of modules in which each reaches each other."""
    reachable = {module: _reachable(module, graph) for module in graph}
    seen: set[Module] = set()
    for module in sorted(graph):
        if module not in seen and module in reachable[module]:
            group = [other for other in sorted(reachable[module]) if module in reachable[other]]
            seen.update(group)
            yield group


def _reachable(start: Module, graph: dict[Module, set[Module]]) -> set[Module]:
    reached: set[Module] = set()
    todo = [start]
    while todo:
        for target in graph[todo.pop()] - reached:
            reached.add(target)
            todo.append(target)
    return reached


def _shortest_cycle(group: Iterable[Module], graph: dict[Module, set[Module]]) -> list[Module]:
    return min((_path_back(module, graph) for module in group), key=len)


def _path_back(start: Module, graph: dict[Module, set[Module]]) -> list[Module]:
    """Returns the shortest way from a module to itself, without its end."""
    routes = [[start]]
    seen: set[Module] = set()
    while routes:
        following = []
        for route in routes:
            for target in sorted(graph[route[-1]]):
                if target == start:
                    return route
                if target not in seen:
                    seen.add(target)
                    following.append([*route, target])
        routes = following
    raise ValueError(f"{start} is in no cycle")
