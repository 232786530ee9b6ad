"""A demonstration vendor and a licensed site in one folder, by the very steps that a real pair takes.

The site's side calls the same operations as the `ao` commands; the vendor's side is the `ao-vendor` command itself, run
as another party would run it. Each step is taken only where its result is not there yet, so running it again continues.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.access.authorise import Permission, Principal, authorise
from appliance.config.secrets import host_secrets
from appliance.errors import StateUnwritable, VendorToolsMissing
from appliance.operations.config import activate_config, config_in_force, examine_config
from appliance.operations.keys import create_key, list_keys
from appliance.operations.licence import import_licence
from appliance.operations.site import initialise, write_request
from appliance.state.site import ENTROPY_BYTES, Site, open_site
from licensing.document import Verified

SITE_ID = "quickstart-site"
CHAT_ALIAS = "ao-demo"
OTHER_ALIAS = "ao-demo-small"
DAYS = 90


@dataclass(frozen=True, slots=True)
class Folders:
    """Where everything lies in a quickstart folder."""

    top: Path

    @property
    def vendor(self) -> Path:
        return self.top / "vendor"

    @property
    def passphrase(self) -> Path:
        return self.top / "vendor-passphrase"

    @property
    def state(self) -> Path:
        return self.top / "state"

    @property
    def media(self) -> Path:
        """The stick that goes back and forth."""
        return self.top / "media"

    @property
    def api_key(self) -> Path:
        return self.top / "api-key"


@dataclass(frozen=True, slots=True)
class Quickstart:
    folders: Folders
    key: str
    steps: tuple[str, ...]


def quickstart(
    top: Path,
    *,
    upstream: str | None,
    upstream_model: str,
    rpm: int | None,
    clock: Callable[[], datetime],
    by: Principal,
) -> Quickstart:
    """Makes what is missing in `top`; `clock` gives UTC in whole seconds.

    Raises VendorToolsMissing, StateUnwritable, and whatever a step refuses.
    """
    authorise(by, Permission.HOST_WRITE)
    folders = Folders(top.absolute())
    steps: list[str] = []
    try:
        folders.media.mkdir(parents=True, exist_ok=True)
        folders.top.chmod(0o700)
        if not folders.passphrase.exists():
            _write_private(folders.passphrase, secrets.token_urlsafe(24))
    except OSError as exc:
        raise StateUnwritable(f"The folder cannot be written: {exc.strerror}.", where=str(top)) from exc
    if not (folders.vendor / "trust.json").exists():
        _vendor(folders, "init", "--name", "Demonstration Vendor")
        steps.append("made a demonstration vendor: root, licence, config, receipt, time and release keys")
    if not (folders.state / "ao.db").exists():
        initialise(
            folders.state,
            site=SITE_ID,
            name="Quickstart site",
            trust_file=folders.vendor / "trust.json",
            now=clock(),
            entropy=secrets.token_bytes(ENTROPY_BYTES),
            by=by,
        )
        steps.append("made a site with a key of its own, and pinned the vendor's trust")
    with closing(open_site(folders.state, by=by)) as site:
        if site.document("licence") is None or _has_another_cap(site, rpm):
            _license(folders, site, rpm, clock)
            steps.append("site request → vendor → licence")
        if _configure(folders, site, upstream, upstream_model, clock):
            steps.append("config → vendor's signature → in force")
        key = _api_key(folders, site, clock())
    return Quickstart(folders, key, tuple(steps))


def _has_another_cap(site: Site, rpm: int | None) -> bool:
    """Whether a cap is asked for that the licence in force does not have. Asking for none leaves it as it is."""
    licence = site.licence(site.trust())
    return rpm is not None and isinstance(licence, Verified) and licence.claims.caps.rpm != rpm


def _license(folders: Folders, site: Site, rpm: int | None, clock: Callable[[], datetime]) -> None:
    request, licence = folders.media / "site-request.signed.json", folders.media / "licence.json"
    write_request(site, request, clock())
    licence.unlink(missing_ok=True)
    _vendor(
        folders, "licence", "issue", str(request), "--customer", "Quickstart", "--edition", "enterprise",
        "--models", "*", "--days", str(DAYS), "--grace-days", "14", "--add-on", "demo", "--out", str(licence),
        *(("--rpm", str(rpm)) if rpm else ()),
    )  # fmt: skip
    import_licence(site, licence, clock())


def _configure(
    folders: Folders, site: Site, upstream: str | None, upstream_model: str, clock: Callable[[], datetime]
) -> bool:
    """Signs and imports the config, unless the very same text is in force already."""
    text = config_text(upstream, upstream_model)
    if site.document("config") is not None and config_in_force(site)[1].endswith(text):
        return False
    source, signed = folders.top / "config.yaml", folders.media / "config.yaml.signed"
    source.write_text(text, encoding="utf-8")
    signed.unlink(missing_ok=True)
    _vendor(folders, "config", "sign", str(source), "--site", SITE_ID, "--out", str(signed))
    secret = host_secrets({}, None)
    candidate = examine_config(site, signed, secret, clock())
    activate_config(site, candidate, clock())
    return True


def config_text(upstream: str | None, upstream_model: str) -> str:
    """Two deployments behind one alias, one behind another. A model server, if given, comes first."""
    demo = "    provider:\n      name: demo\n"
    real = (
        f"    provider:\n      name: openai-compatible\n      model: {json.dumps(upstream_model)}\n"
        f"      api_base: {json.dumps(upstream)}\n"
    )
    first = real if upstream else demo
    return (
        "models:\n"
        f"  - alias: {CHAT_ALIAS}\n{first}    tags: [first]\n"
        f"  - alias: {CHAT_ALIAS}              # the same alias again: automatic fallback\n{demo}    tags: [fallback]\n"
        f"  - alias: {OTHER_ALIAS}\n{first}    tags: [other]\n"
    )


def _api_key(folders: Folders, site: Site, now: datetime) -> str:
    if folders.api_key.exists() and any(key.usable(now) for key in list_keys(site)):
        return folders.api_key.read_text(encoding="utf-8").strip()
    made = create_key(
        site,
        name="quickstart",
        org="quickstart",
        team="newcomers",
        expires_at=None,
        now=now,
        entropy=secrets.token_bytes(32),
    )
    folders.api_key.unlink(missing_ok=True)
    _write_private(folders.api_key, made.secret)
    return made.secret


def _vendor(folders: Folders, *arguments: str) -> None:
    """Runs the vendor's own command. Its refusal is shown as it stands."""
    tool = vendor_command()
    if tool is None:
        raise VendorToolsMissing("The command ao-vendor is not installed here.")
    done = subprocess.run(
        [tool, "--home", str(folders.vendor), *arguments, "--passphrase-file", str(folders.passphrase)],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise VendorToolsMissing(
            f"The vendor's side refused: {(done.stderr or done.stdout).strip()}",
            where=f"ao-vendor {' '.join(arguments[:2])}",
            remedy="Remove the quickstart folder and start again.",
        )


def vendor_command() -> str | None:
    """`ao-vendor` beside the running Python, or on the path."""
    beside = Path(sys.executable).with_name("ao-vendor")
    return str(beside) if beside.exists() else shutil.which("ao-vendor")


def _write_private(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
