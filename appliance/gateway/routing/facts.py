"""What is known of a call when its route is decided: which rules apply to it, and by which key it draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from appliance.config.policy import StickyBy, When
from appliance.gateway.routing.candidate import mark_of

_TAGS_READ = 16


@dataclass(slots=True, repr=False)
class Facts:
    """`user` and `prompt` are the members of the body as they were sent; `draw` is 64 random bits.

    Header names are in lower case. Nothing here is ever written down: an explanation names rules, not values.
    """

    endpoint: str
    stream: bool
    headers: Mapping[bytes, bytes]
    org: str
    team: str
    key: str
    user: bytes | None
    prompt: bytes | None
    prompt_tokens: int
    draw: int


def holds(when: When | None, facts: Facts) -> bool:
    """Whether a rule's condition is met; a rule without one always applies."""
    if when is None:
        return True
    if when.what == "header":
        return facts.headers.get(when.header, b"").decode("latin-1").strip() in when.values
    return getattr(facts, when.what) in when.values


def tags_asked(header: bytes, facts: Facts) -> frozenset[str] | None:
    """The tags that the call names in this header, parted by commas; None where it names none."""
    told = facts.headers.get(header, b"").decode("latin-1").split(",", _TAGS_READ)[:_TAGS_READ]
    return frozenset(tag for each in told if (tag := each.strip())) or None


def session_of(sticky: Iterable[StickyBy], facts: Facts) -> tuple[int, str] | None:
    """The key by which this call's session draws, and what it was recognised by: the first mark that it bears."""
    for each in sticky:
        if each.what == "user":
            told = facts.user
        elif each.what == "header":
            told = facts.headers.get(each.header)
        else:
            told = facts.prompt[: each.prompt_bytes] if facts.prompt else None
        if told:
            name = f"header {each.header.decode()}" if each.what == "header" else each.what
            return mark_of(each.what.encode() + b"\0" + told), name
    return None
