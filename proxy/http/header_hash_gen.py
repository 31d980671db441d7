#!/usr/bin/env python3
"""Writes header_hash.h from header_names.h: run it after a change to the list of names.

    python3 proxy/http/header_hash_gen.py > proxy/http/header_hash.h

Searches a multiplier for which the hash of header_id.c gives every name (and "host") a slot of its own. The unit test
test_header_id.c fails when the two files no longer fit each other.
"""
import pathlib
import random
import re

SLOT_BITS = 9
MASK64 = (1 << 64) - 1
FOLD = 0x2020202020202020


def word(data):
    return int.from_bytes(data, "little")


def rotate(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK64


def mix(name):
    """The same words as in header_id.c; names are lower case, so that folding changes nothing but absent bytes."""
    data = name.encode()
    size = len(data)
    if size >= 8:
        words = [word(data[:8]), word(data[size // 2 - 4 : size // 2 + 4]), word(data[-8:])]
    elif size >= 4:
        words = [word(data[:4]), 0, word(data[-4:])]
    else:
        words = [data[0] | data[size // 2] << 8 | data[-1] << 16, 0, 0]
    head, middle, tail = (w | FOLD for w in words)
    return ((head ^ rotate(middle, 27) ^ rotate(tail, 13)) + size) & MASK64


def place(mixed, multiplier):
    slots = {}
    for number, word in mixed:
        slot = (word * multiplier & MASK64) >> (64 - SLOT_BITS)
        if slot in slots:
            return None
        slots[slot] = number
    return slots


def main():
    text = (pathlib.Path(__file__).parent / "header_names.h").read_text()
    names = [name for _, name in re.findall(r'X\((\w+), "([^"]+)"\)', text)]
    assert len(names) == len(set(names)) < 255
    mixed = [(number + 1, mix(name)) for number, name in enumerate(names)]
    mixed.append((names.index(":authority") + 1, mix("host")))
    assert len({word for _, word in mixed}) == len(mixed), "two names mix to the same word: change mix()"
    random.seed(1)
    slots = None
    while slots is None:
        multiplier = random.getrandbits(64) | 1
        slots = place(mixed, multiplier)
    print("/* Written by header_hash_gen.py from header_names.h: not to be edited. A slot holds an id plus one; 0 is free. */")
    print("#pragma once\n\n#include <stdint.h>\n")
    print(f"#define LK_HEADER_HASH_MULTIPLIER UINT64_C({multiplier:#018x})")
    print(f"#define LK_HEADER_HASH_SHIFT {64 - SLOT_BITS}")
    print(f"#define LK_HEADER_NAME_MAX {max(map(len, names))}\n")
    print("/* clang-format off */")
    print(f"static const uint8_t lk_header_slots[{1 << SLOT_BITS}] = {{")
    values = [slots.get(slot, 0) for slot in range(1 << SLOT_BITS)]
    for row in range(0, len(values), 16):
        print("    " + ", ".join(f"{value:2}" for value in values[row : row + 16]) + ",")
    print("};\n/* clang-format on */")


if __name__ == "__main__":
    main()
