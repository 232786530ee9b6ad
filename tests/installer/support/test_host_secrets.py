"""Every place of this host that holds secrets is read, to be searched for; what is no secret is not taken for one."""

from __future__ import annotations

from pathlib import Path

from installer.support.host_secrets import secrets_here
from installer.support.pick import pick
from installer.support.search import found_in
from installer.support.shapes import SETTINGS

USUAL = {"state_dir": "/var/lib/ao", "host": "127.0.0.1", "port": 8080, "secrets_dir": "/etc/ao/secrets"}


def test_the_sites_key_the_folders_the_environment_and_the_documents_are_known(tmp_path: Path) -> None:
    (tmp_path / "site.key").write_text('{"signing_seed": "aq3cfAv9BK2xK3OjTKqmpXSOIoFwJSL3YOCWXlh+kl0="}')
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "ACME_KEY").write_text("first-line-of-it\nsecond-line-of-it\n")
    found = secrets_here(
        state=tmp_path,
        folders=[folder, tmp_path / "none"],
        environment={"UPSTREAM": "asked-for-by-config", "MY_TOKEN": "named-for-what-it-is", "HOME": "/root/home"},
        documents=[{"models": [{"provider": {"api_key": "literal-key-in-config"}}, {"api_key": "${UPSTREAM}"}]}],
        known=["UPSTREAM"],
    )
    for text in ("first-line-of-it", "second-line-of-it", "asked-for-by-config", "named-for-what-it-is"):
        assert found_in(text.encode(), found), text
    assert found_in(b"literal-key-in-config", found)
    assert found_in(b"aq3cfAv9BK2xK3OjTKqmpXSOIoFwJSL3YOCWXlh+kl0=", found)
    seed = bytes.fromhex("6aaddc7c0bfd04adb12b73a34caaa6a5748e2281702522f760e0965e587e925d")
    assert found_in(seed.hex().encode(), found)
    assert found_in(b"/root/home ${UPSTREAM}", found) == []
    assert not any("first" in name or "literal" in name for name in found)


def test_where_secrets_lie_is_no_secret(tmp_path: Path) -> None:
    """The settings that every installation has."""
    picked = pick(USUAL, SETTINGS)
    assert picked.value == USUAL
    found = secrets_here(state=tmp_path, folders=[], environment={}, documents=[USUAL], known=[])
    assert found_in(repr(picked.value).encode(), found) == []
