#!/usr/bin/env python3
"""Checks of the source tree against rules.py. Usage: lint.py CHECK ROOT [LIBRARY...]; prints every
violation and exits with 1 when there is one."""

import os
import re
import subprocess
import sys

import rules

PRODUCT = ("proxy", "filters", "xds", "certs")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
KINDS = ("listener", "network", "http", "access_log", "tracer")
DESCRIPTOR = re.compile(
    r"^const struct lk_(?:listener_filter|network_filter|http_filter|access_logger|tracer)\s+(lk_\w+)\s*=", re.M)


def files(root, folders, endings):
    for folder in folders:
        for where, names, found in os.walk(os.path.join(root, folder)):
            names[:] = [n for n in names if n not in ("__pycache__", "corpus") and not n.startswith(".")]
            for name in sorted(found):
                if name.endswith(endings):
                    yield os.path.relpath(os.path.join(where, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def layer_of(path):
    if path in rules.FILE_LAYERS:
        return rules.FILE_LAYERS[path]
    best = None
    for layer in rules.LAYERS:
        if (path == layer or path.startswith(layer + "/")) and (best is None or len(layer) > len(best)):
            best = layer
    return best


def allowed(path, names):
    return any(path == n or path.startswith(n + "/") or path.startswith(n + ".") for n in names)


def check_library(path, header, quoted):
    if header.endswith(rules.GENERATED_PROTO):
        header = "protobuf-c/" + header
    for start, users in rules.LIBRARIES.items():
        if header.startswith(start):
            if allowed(path, users) or path == "proxy/main.c" or path.startswith("test/"):
                return None
            return f"may not use <{header}>: only {', '.join(users)}"
    if quoted:
        return f'"{header}" is not a path from the root of the tree'
    if header in rules.LIBC or header.startswith(rules.LIBC_PREFIXES):
        return None
    return f"<{header}> belongs to no library that rules.py knows"


def check_own(path, header):
    layer = layer_of(path)
    target = layer_of(header)
    if layer is None or target is None:
        return f'"{header}" or this file lies in no layer of rules.py'
    may = rules.LAYERS[layer]
    if may == rules.ALL or target == layer or target in may or allowed(header, may):
        return None
    if (layer, header) in rules.EDGES or (layer.startswith("filters/") and header == rules.FILTER_TABLE):
        return None
    return f'layer {layer} may not include "{header}" (layer {target})'


def include_graph(root):
    for path in files(root, PRODUCT + ("test",), (".c", ".h")):
        if path.startswith("test/bench/"):
            continue
        for kind, header in INCLUDE.findall(read(root, path)):
            if header in rules.GENERATED:
                continue
            own = kind == '"' and not header.endswith(rules.GENERATED_PROTO) and "/" in header
            problem = check_own(path, header) if own else check_library(path, header, kind == '"')
            if problem:
                yield f"{path}: {problem}"


def file_length(root):
    limits = {".c": rules.MAX_SOURCE, ".h": rules.MAX_HEADER, ".py": rules.MAX_SCRIPT, ".sh": rules.MAX_SCRIPT}
    seen = set()
    for path in files(root, PRODUCT + ("test", "docker"), tuple(limits)):
        lines = read(root, path).count("\n")
        limit = limits[os.path.splitext(path)[1]]
        if path in rules.LONG_FILES:
            seen.add(path)
            if lines <= limit:
                yield f"{path}: is short enough now; take it out of LONG_FILES"
        elif lines > limit:
            yield f"{path}: {lines} lines, the limit is {limit}"
    for path in sorted(set(rules.LONG_FILES) - seen):
        yield f"LONG_FILES names {path}, which does not exist"


def filters(root):
    table = "filters/filter_table.c"
    rows = read(root, table) if os.path.exists(os.path.join(root, table)) else ""
    for kind in KINDS:
        folder = f"filters/{kind}"
        sources = list(files(root, (folder,), (".c",)))
        owners = []
        for path in sources:
            for symbol in DESCRIPTOR.findall(read(root, path)):
                owners.append(os.path.basename(path)[:-2])
                if not re.search(rf"&{symbol}\b", rows):
                    yield f"{path}: {symbol} has no row in {table}"
                test = f"test/unit/{folder}/test_{owners[-1]}.c"
                if not os.path.exists(os.path.join(root, test)):
                    yield f"{path}: lacks its unit test {test}"
        for path in sources:
            stem = os.path.basename(path)[:-2]
            if not any(stem == owner or stem.startswith(owner + "_") for owner in owners):
                yield f"{path}: has no descriptor and belongs to no filter of {folder} by its name"


def top_level(root):
    for name in sorted(os.listdir(root)):
        if not name.startswith(".") and name not in rules.TOP_LEVEL | rules.TOP_LEVEL_LOCAL:
            yield f"{name}: the top level holds only {', '.join(sorted(rules.TOP_LEVEL))} and dotfiles"


def tested_stems(root, folder):
    found = set()
    for path in files(root, (f"test/unit/{folder}",), (".c",)):
        if os.path.dirname(path) == f"test/unit/{folder}":
            found.add(os.path.basename(path)[len("test_"):-2])
    return found


def sources_tested(root):
    """A test of a mirrored folder must mirror a file, and every layer must have tests."""
    for layer in rules.LAYERS:
        if layer in ("test", "proxy/main.c", "xds/proto", "xds/registry"):
            continue
        sources = [p for p in files(root, (layer,), (".c",)) if os.path.dirname(p) == layer and layer_of(p) == layer]
        if sources and not tested_stems(root, layer) and layer not in rules.UNTESTED:
            yield f"{layer}: has code and no unit test"
    for path in files(root, ("test/unit",), (".c",)):
        folder = os.path.dirname(path)[len("test/unit/"):]
        if not os.path.basename(path).startswith("test_"):
            yield f"{path}: is not named test_*.c, so it is not built"
        elif not os.path.isdir(os.path.join(root, folder)):
            yield f"{path}: mirrors no folder"


def text(root):
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for path in files(root, PRODUCT + ("test", "docker"), (".c", ".h", ".py", ".sh", ".proto", ".txt", ".yaml")):
        if path.startswith("test/lint/"):
            continue
        content = read(root, path)
        for number, line in enumerate(content.split("\n"), 1):
            if marks.search(line) and not path.endswith((".yaml", ".txt")):
                yield f"{path}:{number}: unfinished business: {line.strip()}"
            if path.endswith((".c", ".h", ".py", ".sh")) and line != line.rstrip():
                yield f"{path}:{number}: blanks at the end of the line"
        if path.endswith(".h") and "#pragma once" not in content:
            yield f"{path}: lacks #pragma once"


def exported_variables(_root, libraries):
    """Global symbols in writable sections. Constants with relocations lie in .data.rel.ro."""
    line = re.compile(r"^\S+\s+g\s+(?:O\s+)?(\.(?:data|bss|tdata|tbss)(?!\.rel\.ro)\S*|\*COM\*)\s+\S+\s+(?:\.hidden\s+)?(\S+)$")
    found = set()
    for library in libraries:
        output = subprocess.run(["objdump", "-t", library], capture_output=True, text=True, check=True).stdout
        for match in filter(None, map(line.match, output.split("\n"))):
            name = match.group(2)
            found.add(name)
            if name not in rules.VARIABLES and not name.startswith("__"):
                yield f"{os.path.basename(library)}: {name} is an exported variable ({match.group(1)})"
    for name in sorted(set(rules.VARIABLES) - found):
        yield f"VARIABLES names {name}, which is not exported"


CHECKS = {check.__name__: check for check in (include_graph, file_length, filters, top_level, sources_tested, text)}


def main(arguments):
    name, root = arguments[0], arguments[1]
    if name == "exported_variables":
        problems = list(exported_variables(root, arguments[2:]))
    else:
        problems = list(CHECKS[name](root))
    for problem in problems:
        print(problem)
    print(f"{name}: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
