"""Sites in a folder, made in process and brought in force by the operations that the commands call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from appliance.access.authorise import host_principal
from appliance.operations.config import activate_config, examine_config
from appliance.operations.licence import import_licence
from appliance.state.site import ENTROPY_BYTES, Site, create_site
from tests.appliance.papers import DEMO_MODELS, NOW, SITE, config_bytes, entropy, licence_bytes, trust_bytes

CONSOLE = host_principal("tests")


def make_site(folder: Path, *, now: datetime = NOW, name: str = "site") -> Site:
    """A new site; nothing has been imported. Sites of the same `name` have the same keys."""
    return create_site(
        folder,
        site=SITE,
        name="Harbour Hospital, basement",
        trust=trust_bytes(),
        now=now,
        build_time=now - timedelta(days=30),
        entropy=entropy(name, ENTROPY_BYTES),
    )


def on_stick(site: Site, name: str, data: bytes) -> Path:
    """A file on a medium beside the state folder."""
    file = site.folder.parent / "stick" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)
    return file


def put_licence(site: Site, *, now: datetime = NOW, **changes: Any) -> None:
    data = licence_bytes(key=site.key.public_key.keyid, epoch=site.epoch, now=now, **changes)
    import_licence(site, on_stick(site, "licence.json", data), now)


def put_config(site: Site, text: str = DEMO_MODELS, *, now: datetime = NOW, serial: int = 1) -> None:
    file = on_stick(site, "config.yaml.signed", config_bytes(text, serial=serial, now=now))
    activate_config(site, examine_config(site, file, any_secret, now), now)


def licensed_site(folder: Path, text: str = DEMO_MODELS, *, now: datetime = NOW, **licence: Any) -> Site:
    """A site with a config in force, and a licence: one that allows everything, then perhaps one that allows less."""
    site = make_site(folder, now=now)
    put_licence(site, now=now)
    put_config(site, text, now=now)
    if licence:
        put_licence(site, now=now, serial=2, **licence)
    return site


def any_secret(_: str) -> str | None:
    return "sk-anything"


def no_secrets(_: str) -> str | None:
    return None


def secrets_from(values: Mapping[str, str]) -> Any:
    return values.get
