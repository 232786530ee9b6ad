"""Papers for the life of a site: rotations, tokens, delegations; and what a site holds, table by table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.gateway.snapshot import take_snapshot
from appliance.operations.config import activate_config, examine_config
from appliance.operations.trust import Step, import_trust
from appliance.state.site import Site
from licensing.document import format_time
from licensing.errors import Refusal
from licensing.ratchet import Arrival
from tests.appliance.papers import DEMO_MODELS, NOW, SITE, config_bytes, trust_bytes
from tests.appliance.sites import any_secret, licensed_site, make_site, on_stick
from tests.licensing.documents import ROLE_KEYS, key, key_record, keys, signed

ROOTS = ("root-1", "root-2")


def roles(**changed: Sequence[str] | None) -> dict[str, Sequence[str]]:
    """The usual keys of every role, but for those named; None takes a role away."""
    every: dict[str, Sequence[str] | None] = {**ROLE_KEYS, **changed}
    return {name: members for name, members in every.items() if members is not None}


def trust_file(site: Site, serial: int, *signers: str, name: str | None = None, **changes: Any) -> Path:
    data = trust_bytes(*(signers or ROOTS), serial=serial, **changes)
    return on_stick(site, name or f"trust-{serial}.json", data)


def follow(site: Site, serial: int, *signers: str, now: datetime = NOW, **changes: Any) -> list[Step]:
    """Takes in one version of the trust."""
    return import_trust(site, [trust_file(site, serial, *signers, **changes)], now)


def config_file(site: Site, serial: int, *signers: str, text: str = DEMO_MODELS, **head: Any) -> Path:
    return on_stick(site, f"config-{serial}.yaml.signed", config_bytes(text, signers=signers, serial=serial, **head))


def bring_config(site: Site, serial: int, *signers: str, now: datetime = NOW, **head: Any) -> Arrival:
    """As `ao config import --yes` does it."""
    file = config_file(site, serial, *signers, **head)
    return activate_config(site, examine_config(site, file, any_secret, now), now)


def delegation(*officers: str, threshold: int = 2, epoch: int = 1) -> dict[str, Any]:
    return {"keys": [key_record(key(name)) for name in officers], "threshold": threshold, "epoch": epoch}


def token_bytes(site: Site, /, *, at: datetime = NOW, signer: str = "time-1", **changes: Any) -> bytes:
    usual: dict[str, Any] = {
        "kind": "time",
        "schema": 1,
        "serial": 1,
        "issued_at": format_time(at),
        "site": SITE,
        "epoch": site.epoch,
        "challenge": site.challenge,
    }
    return signed("time", usual | changes, *keys(signer))


def tables(site: Site) -> Mapping[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    names = [row["name"] for row in site.database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: [tuple(row) for row in site.database.execute(f"SELECT * FROM {name}")] for name in names}


@contextmanager
def nothing_changes(site: Site) -> Iterator[None]:
    before = tables(site), site.board.generation
    yield
    assert (tables(site), site.board.generation) == before


@contextmanager
def refused(site: Site, code: str) -> Iterator[pytest.ExceptionInfo[Refusal]]:
    """What happens inside is refused with this code, says what to do, and leaves every table as it was."""
    with nothing_changes(site), pytest.raises(Refusal) as caught:
        yield caught
    assert caught.value.code == code
    assert caught.value.remedy


def refusal_by(act: Callable[[], object]) -> Refusal | None:
    """The refusal that an act meets, or None where it meets none."""
    try:
        act()
    except Refusal as refusal:
        return refusal
    return None


def refusal_of(site: Site, now: datetime = NOW) -> str | None:
    """The code with which callers are refused now; None where they are served."""
    found = take_snapshot(site, any_secret, now).refusal
    return found.code if found else None


def test_the_usual_site_serves(tmp_path: Path) -> None:
    site = licensed_site(tmp_path / "state")
    assert refusal_of(site) is None
    assert refusal_of(site, NOW + timedelta(days=1)) is None
    site.close()


def test_a_site_without_papers_serves_nothing(tmp_path: Path) -> None:
    site = make_site(tmp_path / "state")
    assert refusal_of(site) == "licence_missing"
    site.close()
