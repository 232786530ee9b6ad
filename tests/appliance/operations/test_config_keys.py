"""Provider keys at the gate: clear ones are warned of or refused, named ones must be there, sealed ones must open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.config.sealed import Place, seal
from appliance.operations.site import write_request
from appliance.state.site import Site
from tests.appliance.cli.commands import Said, ao
from tests.appliance.operations.test_life_papers import nothing_changes
from tests.appliance.papers import DEMO_MODELS, OFFICERS, SITE, config_bytes
from tests.appliance.sites import licensed_site, on_stick

BASE = "http://gpu-1/v1"
CLEAR = "sk-0123456789-clear"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = licensed_site(tmp_path / "state", now=today())
    yield made
    made.close()


def today() -> datetime:
    """The commands ask the host's clock."""
    return datetime.now(UTC).replace(microsecond=0)


def text_with(key: str, *, more: str = "") -> str:
    provider = json.dumps({"name": "openai-compatible", "model": "m", "api_base": BASE, "api_key": key})
    return f"{DEMO_MODELS}  - alias: keyed\n    provider: {provider}\n{more}"


def on_medium(site: Site, text: str) -> str:
    return str(on_stick(site, "next.signed", config_bytes(text, serial=2, now=today(), signers=OFFICERS)))


def imported(site: Site, text: str) -> Said:
    said = ao("config", "import", on_medium(site, text), "--yes", state=site.folder)
    assert said.fault is None
    return said


def sealed_for(site: Site, *, alias: str = "keyed", base: str = BASE) -> str:
    return seal(CLEAR, Place(SITE, alias, "openai-compatible", base), site.key.sealing_public)


def test_a_clear_key_comes_in_with_a_warning_that_names_the_model_and_what_to_do(site: Site) -> None:
    said = imported(site, text_with(CLEAR))
    assert said.code == 0
    assert "warning: the provider keys of keyed stand in clear in this config: ao config seal" in said.out
    assert CLEAR not in said.out + said.err


def test_where_officers_forbid_it_a_clear_key_is_refused_with_line_and_key(site: Site) -> None:
    with nothing_changes(site):
        said = imported(site, text_with(CLEAR, more="secrets: {forbid_clear: true}\n"))
    assert said.code != 0
    assert "line 11, models[1].provider.api_key" in said.err
    assert "forbids" in said.err
    assert CLEAR not in said.out + said.err


@pytest.mark.parametrize("kind", ["sealed", "named"])
def test_what_is_sealed_or_named_is_not_clear(site: Site, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_KEY", CLEAR)
    key = sealed_for(site) if kind == "sealed" else "${GPU_KEY}"
    said = imported(site, text_with(key, more="secrets: {forbid_clear: true}\n"))
    assert said.code == 0, said.err
    assert "warning" not in said.out


def test_a_missing_name_is_refused_at_import_with_line_and_key(site: Site) -> None:
    with nothing_changes(site):
        said = imported(site, text_with("${NOT_HERE}"))
    assert (said.code, "[secret_missing]" in said.err) == (62, True)
    assert "line 11, models[1].provider.api_key" in said.err
    assert "${NOT_HERE}" in said.err


@pytest.mark.parametrize(("alias", "base"), [("other", BASE), ("keyed", "http://thief/v1")])
def test_a_seal_from_another_place_is_refused_with_line_and_key(site: Site, alias: str, base: str) -> None:
    with nothing_changes(site):
        said = imported(site, text_with(sealed_for(site, alias=alias, base=base)))
    assert said.code != 0
    assert "line 11, models[1].provider.api_key" in said.err
    assert CLEAR not in said.out + said.err


def test_the_difference_is_shown_without_any_secret_at_hand(site: Site) -> None:
    for key in ("${NOT_HERE}", sealed_for(site, alias="other")):
        with nothing_changes(site):
            said = ao("config", "diff", on_medium(site, text_with(key)), state=site.folder)
        assert (said.code, said.fault) == (0, None)
        assert "added keyed" in said.out


def test_sealed_on_one_desk_signed_on_another_and_opened_here(site: Site, tmp_path: Path) -> None:
    request, text, out = tmp_path / "request", tmp_path / "plant.yaml", tmp_path / "sealed.yaml"
    write_request(site, request, today())
    text.write_text(text_with(CLEAR))
    said = ao("config", "seal", str(text), "--request", str(request), "--out", str(out))
    assert (said.code, said.fault) == (0, None), said.err
    assert CLEAR not in said.out
    assert out.stat().st_mode & 0o777 == 0o600
    assert CLEAR not in out.read_text()
    assert imported(site, out.read_text() + "secrets: {forbid_clear: true}\n").code == 0


def test_what_cannot_be_sealed_is_refused_and_nothing_is_written(site: Site, tmp_path: Path) -> None:
    request, text, out = tmp_path / "request", tmp_path / "plant.yaml", tmp_path / "sealed.yaml"
    write_request(site, request, today())
    text.write_text(text_with("${gpu_key}"))
    said = ao("config", "seal", str(text), "--request", str(request), "--out", str(out))
    assert (said.code != 0, said.fault) == (True, None)
    assert "plant.yaml, line 6, models[1].provider.api_key" in said.err
    assert not out.exists()
