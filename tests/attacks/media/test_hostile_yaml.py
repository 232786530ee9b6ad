"""Documents made to crash, stall, swell or mislead a reader of YAML: each is refused, soon and in little memory."""

from __future__ import annotations

import resource
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from media.errors import MediaError
from media.reader import LIMITS, read_document
from media.strict_yaml import FASTEST, load

MIB = 1024 * 1024
LOADERS: dict[str, Any] = {"python": yaml.SafeLoader}
if yaml.__with_libyaml__:
    LOADERS["libyaml"] = yaml.CSafeLoader


@dataclass(frozen=True)
class Attack:
    """A document, and the code that reading it must meet."""

    name: str
    build: Callable[[], bytes]
    code: str = "yaml_refused"


def filled(piece: bytes, before: bytes = b"", after: bytes = b"") -> Callable[[], bytes]:
    """`piece` over and over, up to the last byte that a config may have."""
    return lambda: before + piece * ((MIB - len(before) - len(after)) // len(piece)) + after


def billion_laughs() -> bytes:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines).encode()


def merged_laughs() -> bytes:
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 30)]
    return "\n".join(lines).encode()


def block_nesting() -> bytes:
    return b"".join(b" " * depth + b"a:\n" for depth in range(1400))


def many_keys(count: int) -> Callable[[], bytes]:
    return lambda: b"".join(b"k%x: \n" % number for number in range(count))


ATTACKS = [
    # References that expand
    Attack("billion laughs", billion_laughs),
    Attack("billion laughs by merging", merged_laughs),
    Attack("a list that holds itself", lambda: b"&a [*a]\n"),
    Attack("a mapping that holds itself", lambda: b"&a {b: *a}\n"),
    Attack("a merge key", lambda: b"{<<: {admin: true}}\n"),
    Attack("an anchor of a megabyte", filled(b"a", b"&")),
    Attack("a megabyte of ampersands", filled(b"&")),
    Attack("a megabyte of asterisks", filled(b"*")),
    # Objects to be constructed
    Attack("a Python call", lambda: b"!!python/object/apply:os.system ['touch /tmp/owned']\n"),
    Attack("a Python name", lambda: b"a: !!python/name:os.system\n"),
    Attack("a Python module", lambda: b"a: !!python/module:os\n"),
    Attack("a new Python object", lambda: b"a: !!python/object/new:type {args: [x, [], {}]}\n"),
    Attack("a tag by its address", lambda: b"a: !<tag:yaml.org,2002:python/name:os.system> ''\n"),
    Attack("a tag by a directive", lambda: b"%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!name:os.system ''\n"),
    Attack("a tag on a key", lambda: b"!!python/name:os.system : 1\n"),
    Attack("binary", lambda: b"a: !!binary aGk=\n"),
    Attack("a tag of a megabyte", filled(b"%41", b"!")),
    # Depth
    Attack("a megabyte of open brackets", filled(b"[")),
    Attack("a megabyte of open braces", filled(b"{")),
    Attack("a megabyte of braces with keys", filled(b"{a: ")),
    Attack("a megabyte of dashes", filled(b"- ")),
    Attack("a megabyte of question marks", filled(b"? ")),
    Attack("brackets all closed again", lambda: b"[" * 100_000 + b"]" * 100_000),
    Attack("nesting by indentation", block_nesting),
    # Numbers of things
    Attack("as many keys as fit", many_keys(110_000)),
    Attack("a million keys", many_keys(1_000_000)),
    Attack("as many items as fit", filled(b"- a\n")),
    Attack("as many items between brackets as fit", filled(b"1,", b"[", b"]")),
    Attack("as many empty lists as fit", filled(b"[],", b"[", b"]")),
    Attack("as many documents as fit", filled(b"---\n")),
    Attack("two keys over and over", filled(b"a: 1\nb: 2\n")),
    # Sizes of things
    Attack("a plain value of a megabyte", filled(b"a", b"k: ")),
    Attack("a plain value of half a million lines", filled(b"a\n")),
    Attack("a quoted value of a megabyte", filled(b"''", b"'", b"'")),
    Attack("a value of a quarter million escapes", filled(rb"\x41", b'"', b'"')),
    Attack("a block of a megabyte", filled(b" b\n", b"a: |\n")),
    Attack("a folded block of a megabyte", filled(b" b\n\n", b"a: >\n")),
    Attack("a key of a megabyte", filled(b"a", b"? ")),
    Attack("an integer of sixty thousand digits", lambda: b"a: " + b"9" * 60_000),
    Attack("a float with a huge exponent", lambda: b"a: 1.0e+" + b"9" * 60_000),
    Attack("a megabyte of line feeds", filled(b"\n")),
    Attack("a megabyte of spaces", filled(b" ")),
    Attack("a megabyte of comments", filled(b"#\n")),
    Attack("a megabyte of quotes", filled(b'"')),
    Attack("a megabyte of colons", filled(b":")),
    Attack("a megabyte of commas", filled(b",", b"[")),
    Attack("one byte more than a megabyte", lambda: b"#" * (MIB + 1)),
    # Other texts than it seems
    Attack("a byte order mark", lambda: b"\xef\xbb\xbfa: 1\n"),
    Attack("CRLF", lambda: b"a: 1\r\nb: 2\r\n"),
    Attack("UTF-16", lambda: "a: 1\n".encode("utf-16")),
    Attack("UTF-16, big end first, without a mark", lambda: "a: 1\n".encode("utf-16-be")),
    Attack("UTF-32", lambda: "a: 1\n".encode("utf-32")),
    Attack("an escape that clears the screen", lambda: b"a: 1 # \x1b[2J\x1b[H\n"),
    Attack("an escape that hides a line", lambda: b"\x1b[8madmin: true\x1b[0m\na: 1\n"),
    Attack("backspaces that overwrite", lambda: b"admin: true" + b"\b" * 11 + b"admin: no\n"),
    Attack("an escaped escape", lambda: rb'a: "\e]0;owned\a"' + b"\n"),
    Attack("text that runs from right to left", lambda: "admin: no # \u202eeurt :nimda\n".encode()),
    Attack("a line that only some see", lambda: "# harmless\u2028admin: true\n".encode()),
    Attack("a line that only old ones see", lambda: "# harmless\x85admin: true\n".encode()),
    Attack("a second document behind the first", lambda: b"a: 1\n...\n---\nadmin: true\n"),
    Attack("a key said twice", lambda: b"admin: false\nuser: x\nadmin: true\n"),
    Attack("a key said twice, once in escapes", lambda: b'admin: false\n"\\x61dmin": true\n'),
]
SLOW = 2  # seconds
SLOW_IN_PYTHON = 30  # it takes some two seconds at most, too, where the host is not busy


@pytest.mark.timeout(120)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: str(attack.name))
def test_a_hostile_document_is_refused_soon(attack: Attack) -> None:
    data = attack.build()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    with pytest.raises(MediaError) as caught:
        load(data)
    took = time.process_time() - began
    assert caught.value.code == attack.code
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400
    assert (caught.value.where or "").startswith("line ")
    assert took < (SLOW if FASTEST is not yaml.SafeLoader else SLOW_IN_PYTHON)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 128 * 1024  # KiB, libyaml's memory included


@pytest.mark.timeout(120)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: str(attack.name))
def test_without_libyaml_it_is_refused_as_well(attack: Attack) -> None:
    began = time.process_time()
    with pytest.raises(MediaError) as caught:
        load(attack.build(), loader=yaml.SafeLoader)
    assert caught.value.code == attack.code
    assert time.process_time() - began < SLOW_IN_PYTHON


@pytest.mark.parametrize("build", [filled(b"[],", b"[", b"]"), many_keys(110_000), filled(b"- - - - - - - - - - a\n")])
def test_what_is_built_before_the_refusal_stays_small(build: Callable[[], bytes]) -> None:
    data = build()
    tracemalloc.start()
    try:
        with pytest.raises(MediaError):
            load(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * MIB


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS.keys())
def test_the_largest_document_that_is_allowed_is_read(loader: Any) -> None:
    items = [b"- %s\n" % (b"%05d" % number + b"x" * 12) for number in range(49_999)]
    document = load(b"".join(items), loader=loader)
    assert isinstance(document.value, list)
    assert len(document.value) == 49_999
    assert document.where((49_998,)) == "line 49999, [49998]"


def test_a_hostile_document_on_a_medium_is_read_as_bytes_and_then_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    for attack in ATTACKS:
        data = attack.build()
        config.write_bytes(data)
        with pytest.raises(MediaError) as caught:
            load(read_document(config, limit=LIMITS["config"]))
        assert caught.value.code == ("media_too_large" if len(data) > LIMITS["config"] else attack.code)
