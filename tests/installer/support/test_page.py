"""SUPPORT.md lists every member that leaves, as the allow-lists have it. To write its tables anew:
`python -m tests.installer.support.test_page`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import installer
from appliance.settings import Settings
from installer.support import forms
from installer.support.collect import PARTS
from installer.support.log_lines import STEPS
from installer.support.metric_lines import LABELS
from installer.support.pick import Each
from installer.support.shapes import AUDIT, CONFIG, OS, SETTINGS, STATUS, UNIT

PAGE = Path(installer.__file__).with_name("SUPPORT.md")
WORDS: Mapping[Any, str] = {
    forms.number: "a number, or yes or no",
    forms.code: "a word of the product's own",
    forms.name: "a name of the config's",
    forms.time: "a time",
    forms.digest: "a digest",
    forms.version: "a version",
    forms.address: "an address in numbers",
    forms.path: "a path",
    forms.origin: "scheme, host and port of an address",
    forms.where_a_key_comes_from: "where the key comes from, never the key",
}
TABLES = {"system": OS, "service": UNIT, "settings": SETTINGS, "status": STATUS, "config": CONFIG, "audit": AUDIT}


def members(shape: Any, place: str = "") -> Iterator[tuple[str, str]]:
    match shape:
        case dict():
            for name, inside in shape.items():
                yield from members(inside, f"{place}.{name}" if place else name)
        case [inner]:
            yield from members(inner, f"{place}[]")
        case Each():
            yield from members(shape.shape, f"{place}.*")
        case form:
            yield place, WORDS[form]


def table(name: str) -> str:
    rows = "".join(f"| `{member}` | {words} |\n" for member, words in members(TABLES[name]))
    return f"<!-- {name} -->\n| member | what leaves of it |\n|---|---|\n{rows}<!-- /{name} -->\n"


def with_tables(page: str) -> str:
    for name in TABLES:
        before, _, rest = page.partition(f"<!-- {name} -->\n")
        page = before + table(name) + rest.partition(f"<!-- /{name} -->\n")[2]
    return page


def test_the_page_lists_what_the_allow_lists_have() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in TABLES:
        assert f"<!-- {name} -->" in page
    assert page == with_tables(page)


def test_every_setting_of_the_host_has_a_form() -> None:
    assert set(SETTINGS) == set(Settings.model_fields)


def test_the_page_names_every_part_label_and_step() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^### `(\w+)`", page, re.MULTILINE) == list(PARTS)
    assert all(f"`{label}`" in page for label in LABELS)
    assert all(step in " ".join(page.split()) for step in STEPS.values())


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
