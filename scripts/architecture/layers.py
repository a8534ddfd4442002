"""Checks which crates may depend on which: functions -> shared -> domain, and which may link heavy libraries.

Reads `cargo metadata` and prints one line per violation. deny.toml restricts direct dependencies on libraries.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from architecture import metadata
from architecture.metadata import ROOT

Packages = dict[str, Any]

# Shared crates that may depend on others than domain. Adapters are independent of each other; `models`, `bm25`,
# `secrets` and `tokenization` are not adapters.
ALLOWED = {
    "artifacts": {"aws"},
    "auth": {"secrets"},
    "batch_jobs": {"aws"},
    "connectors": {"aws", "egress"},
    "chunking": {"tokenization"},
    "embedding": {"models", "tokenization"},
    "access": {"auth", "db", "lambda"},
    "db": {"secrets"},
    "dispatch": {"db", "lambda", "queue"},
    "document_text": {"artifacts", "db", "frames", "lambda", "segmentation"},
    "extraction": {"frames"},
    "integrity": {"artifacts", "db", "vectors"},
    "lambda": {"secrets"},
    "models": {"aws"},
    "segmentation": {"chunking", "extraction", "frames", "models"},
    "parsers": {"extraction", "frames", "ocr", "sandbox"},
    "queue": {"aws"},
    "sandbox": {"frames"},
    "secrets": {"aws"},
    "staging": {"artifacts", "db", "lambda"},
    "vectors": {"bm25", "secrets"},
}

# What programs on the machines of users may depend on.
PROGRAMS_OF_USERS = {"client", "domain"}

# Heavy libraries, and the deployed programs that may contain them.
HEAVY = {
    # Extract contains it, too, for the recognize function, which is the same program with more files.
    "ort": {"search", "embed", "extract", "parsers"},
    "aws-sdk-batch": {"sweep"},
    "qdrant-edge": {"qdrant-local"},
    "git2": {"scan"},
    # Parsers of untrusted bytes run in a child process of one function; the crate has that process as a binary.
    "parsers": {"extract", "parsers"},
    # It checks the names of users in its resolver only; egress has its own client. The command line is not deployed.
    "reqwest": {"semantik"},
    # Test helpers are never deployed.
    "testkit": set(),
    "proptest": set(),
    "insta": set(),
}


def main() -> bool:
    argparse.ArgumentParser(prog="scripts/check-layers", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    described = metadata.read()
    members = metadata.members(described)
    violations = [*forbidden_dependencies(members), *forbidden_libraries(described, members)]
    for violation in violations:
        print(violation)
    return not violations


def layer_of(package: Any) -> str:
    """Returns the first folder of the path of a crate: functions, shared, infra, scripts or tests."""
    return Path(package["manifest_path"]).relative_to(ROOT).parts[0]


def forbidden_dependencies(members: Packages) -> Iterator[str]:
    """Yields violations between crates of this workspace. Dev-dependencies are free."""
    for name, package in sorted(members.items()):
        # By path: crates.io has crates of the same names, such as `console`.
        used = {d["name"] for d in package["dependencies"] if d.get("path") and d["kind"] is None}
        if layer_of(package) == "functions":
            for other in sorted(used):
                if layer_of(members[other]) != "shared":
                    yield f"function {name} depends on {other}: functions may depend on shared crates only"
        elif layer_of(package) == "shared" and name != "testkit":
            allowed = ALLOWED.get(name, set()) | ({"domain"} if name != "domain" else set())
            for other in sorted(used - allowed):
                yield f"shared crate {name} depends on {other}: allowed are {', '.join(sorted(allowed)) or 'none'}"
        elif layer_of(package) == "scripts":
            listed = ", ".join(sorted(PROGRAMS_OF_USERS))
            for other in sorted(used - PROGRAMS_OF_USERS):
                yield f"{name} depends on {other}: it knows the API only; allowed are {listed}"
        elif layer_of(package) == "infra" and used:
            others = ", ".join(sorted(used))
            yield f"{name} depends on {others}: it replaces an external server and may depend on no crate from here"


def forbidden_libraries(described: Any, members: Packages) -> Iterator[str]:
    """Yields deployed programs that contain a heavy library without permission."""
    packages = {package["id"]: package for package in described["packages"]}
    edges = {
        node["id"]: [d["pkg"] for d in node["deps"] if any(kind["kind"] is None for kind in d["dep_kinds"])]
        for node in described["resolve"]["nodes"]
    }
    for name, package in sorted(members.items()):
        if not any("bin" in target["kind"] for target in package["targets"]):
            continue
        reached: set[str] = set()
        open_ids = [package["id"]]
        while open_ids:
            id = open_ids.pop()
            if id not in reached:
                reached.add(id)
                open_ids.extend(edges[id])
        linked = {packages[id]["name"] for id in reached}
        for library, programs in sorted(HEAVY.items()):
            if library in linked and name not in programs:
                yield f"{name} contains {library}: allowed are {', '.join(sorted(programs)) or 'none'}"

