"""Each dependency has one owner, so that it can be replaced, and so that a reader knows where it can be met."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from dataclasses import dataclass

import pytest

from tests.rules.tree import NOT_BUILT_YET, Module, lies_in, modules, stands


@dataclass(frozen=True)
class Owned:
    dependency: str
    owners: tuple[str, ...]
    reason: str


OWNED = (
    Owned(
        "litestar",
        ("appliance/gateway", "appliance/boot.py", "appliance/admin_api"),
        "The web framework ends where HTTP is served, to apps and to administrators; decisions know no request.",
    ),
    Owned(
        "granian",
        ("appliance/gateway", "appliance/boot.py", "appliance/admin_api/server.py"),
        "The server is started in one place for apps, and in one for administrators.",
    ),
    Owned(
        "httptools",
        ("appliance/gateway/http_client",),
        "Calls leave the host in one place, where an auditor can look for them.",
    ),
    Owned(
        "httpx",
        ("appliance/probing.py", "appliance/webhooks.py"),
        "What the site asks or tells on its own account goes to addresses of the config, from two files.",
    ),
    Owned(
        "multipart",
        ("appliance/gateway/upload.py",),
        "A form is read in one place and written anew, so that no upstream reads another one in it.",
    ),
    Owned(
        "prometheus_client",
        ("appliance/observe",),
        "What is counted is named in one table; nobody counts beside it.",
    ),
    Owned(
        "sqlite3",
        ("appliance/state", "appliance/ledger", "licensing/vendor"),
        "State is touched in few places, so that a second engine can stand behind them.",
    ),
    Owned(
        "click",
        (
            "appliance/cli",
            "licensing/vendor",
            "installer/cli.py",
            "installer/face.py",
            "installer/host_commands.py",
            "installer/package_command.py",
            "installer/preflight/command.py",
            "installer/first_run/command.py",
            "installer/support/command.py",
        ),
        "Commands parse and render; what they do can be done without a terminal.",
    ),
    Owned(
        "segno",
        ("appliance/cli/qr.py",),
        "A picture of a secret is drawn in one place, on a terminal, and written nowhere.",
    ),
    Owned(
        "botocore",
        ("appliance/providers/bedrock",),
        "AWS's library signs and decodes; its clients and its search for credentials are met nowhere.",
    ),
    Owned(
        "google.auth",
        ("appliance/providers/gemini",),
        "Google's library signs an assertion; its transports and ambient credentials are met nowhere.",
    ),
    Owned(
        "yaml",
        ("media/strict_yaml.py", "media/yaml_builder.py"),
        "YAML has no safe default; it is read through one door, with limits. (The builder is given events.)",
    ),
)
SIGNING_KEYS = (
    Owned(
        "cryptography.hazmat.primitives.asymmetric.ed25519.Ed25519PrivateKey",
        ("appliance/state", "appliance/officer/signing_key.py", "licensing/vendor/keyring.py"),
        "A key that signs lives with the site's state, in the vendor's keyring, or is an officer's own: no module of "
        "the gateway is handed one, and an auditor has one file to read for each of the three.",
    ),
    Owned(
        "nacl.signing.SigningKey",
        ("licensing/vendor/keyring.py",),
        "The other library's way to the same kind of key is no way around the rule above.",
    ),
    Owned(
        "licensing.vendor.sm2_signing.Sm2PrivateKey",
        ("licensing/vendor/sm2_signing.py", "licensing/vendor/keyring.py"),
        "An SM2 key that signs lives in the vendor's keyring alone; sites verify.",
    ),
)
COMMAND_FILES = re.compile(r"licensing/vendor/(cli|commands?(_\w+)?)(\.py|/.*)")
"""The files, or the folder, that hold the vendor's commands."""
YAML_READERS = {
    "load",
    "load_all",
    "safe_load",
    "safe_load_all",
    "full_load",
    "unsafe_load",
    "parse",
    "scan",
    "compose",
}


def owned_by(module: Module, owners: tuple[str, ...]) -> bool:
    return any(lies_in(module.path, owner) for owner in owners)


@pytest.mark.parametrize("owned", OWNED, ids=lambda owned: owned.dependency)
def test_a_dependency_is_met_only_where_it_lives(owned: Owned) -> None:
    found = [
        f"{module.path}:{each.line}"
        for module in modules()
        if not owned_by(module, owned.owners)
        for each in module.imports()
        if each.within(owned.dependency)
    ]
    assert not found, f"{owned.reason} {owned.dependency} is imported in {found}"


@pytest.mark.parametrize("owned", OWNED, ids=lambda owned: owned.dependency)
def test_an_owner_and_what_it_owns_exist(owned: Owned) -> None:
    assert importlib.util.find_spec(owned.dependency), f"{owned.dependency} is gone: this rule forbids nothing"
    for owner in owned.owners:
        assert stands(owner), f"{owner} has vanished: {owned.dependency} has lost its owner"
    used = any(
        each.within(owned.dependency)
        for module in modules()
        if owned_by(module, owned.owners)
        for each in module.imports()
    )
    assert used or set(owned.owners) & set(NOT_BUILT_YET), f"nobody uses {owned.dependency}: drop it and this rule"


def test_the_vendors_commands_alone_know_click() -> None:
    """Keyring, issue and reconcile are called by the desk as well as by commands."""
    vendors = [module for module in modules() if lies_in(module.path, "licensing/vendor")]
    assert vendors
    found = [
        module.path
        for module in vendors
        if any(each.within("click") for each in module.imports()) and not COMMAND_FILES.fullmatch(module.path)
    ]
    assert not found


def test_yaml_is_read_through_one_door() -> None:
    """Whatever else may know yaml's events, only `strict_yaml` starts its parser."""
    calls = [
        (module.path, node.attr)
        for module in modules()
        for node in ast.walk(module.syntax)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "yaml"
        if node.attr in YAML_READERS
    ]
    assert {path for path, _ in calls} == {"media/strict_yaml.py"}


def test_an_officers_key_is_opened_by_the_signing_of_configs_alone() -> None:
    """What serves requests never meets it: an officer's key is used on a machine of the officer's choosing."""
    home = "appliance.officer.signing_key"
    users = {
        module.path
        for module in modules()
        if lies_in(module.path, "appliance") and any(each.within(home) for each in module.imports())
    }
    assert users == {"appliance/operations/officer.py"}


@pytest.mark.parametrize("owned", SIGNING_KEYS, ids=lambda owned: owned.dependency.rpartition(".")[2])
def test_private_keys_are_made_only_where_they_live(owned: Owned) -> None:
    home, _, signing_key = owned.dependency.rpartition(".")
    found = [
        f"{module.path}:{line}"
        for module in modules()
        if not owned_by(module, owned.owners)
        for name, line in module.names()
        if name == signing_key
    ]
    assert not found, f"{owned.reason} {found}"
    assert hasattr(importlib.import_module(home), signing_key), (
        f"{signing_key} is called otherwise: this forbids nothing"
    )
    for place in owned.owners:
        assert stands(place)
    keepers = [module for module in modules() if owned_by(module, owned.owners)]
    assert any(name == signing_key for module in keepers for name, _ in module.names())
