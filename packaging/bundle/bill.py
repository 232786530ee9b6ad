"""sbom.cdx.json and licences/NOTICES.md: everything in the release, by name, version, licence and hash.

CycloneDX 1.6, held against its schema before it is written. What a wheel says was compiled into it stands below the
wheel. The same release has the same bill: its serial number is made from its content, its time is the release's.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bundle.errors import BundleRefused
from bundle.facts import Facts
from bundle.licences import FOLDER, embedded_bills, installed, normal, spdx
from runtime.pins import Pins

NAME = "sbom.cdx.json"
NOTICES = f"{FOLDER}/NOTICES.md"
NAMESPACE = uuid.UUID("6f1f4a0c-6f57-5d0e-9f1e-3a2f0c5b8d11")

RUNTIME_LICENCES = {
    "cpython": "PSF-2.0",
    "openssl": "Apache-2.0",
    "sqlite": "blessing",
    "libffi": "MIT",
    "zlib": "Zlib",
    "zig": "MIT",
}
IN_WHEELS = {
    "libyaml": ("pyyaml", "MIT"),
    "libuv": ("uvloop", "MIT"),
    "libsodium": ("pynacl", "ISC"),
    "libffi": ("cffi", "MIT"),
    "openssl": ("cryptography", "Apache-2.0"),
    "jemalloc": ("granian", "BSD-2-Clause"),
}
"""Libraries in C that are compiled into a wheel: no bill within it tells of all of them, nor of their versions."""


@dataclass(frozen=True)
class Part:
    """One thing in the release."""

    name: str
    version: str
    licence: str
    purl: str
    sha256: str
    within: tuple[Mapping[str, Any], ...] = ()


def parts(lib: Path, pins: Pins, wheels: Mapping[str, str]) -> Iterator[Part]:
    """The distributions and what the runtime is made of. `wheels`: the SHA-256 of each wheel, by distribution."""
    nested: dict[str, list[Mapping[str, Any]]] = {}
    for bill in embedded_bills(lib):
        nested.setdefault(normal(bill.within), []).extend(bill.components)
    for name, (wheel, licence) in IN_WHEELS.items():
        known = nested.setdefault(wheel, [])
        if not any(each["name"] == name for each in known):
            known.append({"type": "library", "name": name, "licenses": [{"expression": licence}]})
    for each in installed(lib):
        name = normal(each.name)
        if name != "ao-appliance":
            purl = f"pkg:pypi/{name}@{each.version}"
            yield Part(name, each.version, each.licence, purl, wheels.get(name, ""), tuple(nested.get(name, ())))
    for source in pins.sources:
        purl = f"pkg:generic/{source.name}@{source.version}"
        yield Part(source.name, source.version, RUNTIME_LICENCES[source.name], purl, source.sha256)
    yield Part("zig", pins.zig, RUNTIME_LICENCES["zig"], f"pkg:generic/zig@{pins.zig}", pins.zig_sha256)


def bill_of(found: list[Part], facts: Facts) -> str:
    """The bill as JSON. Raises BundleRefused where it does not hold to CycloneDX's schema."""
    components = [_component(part) for part in found]
    product = {
        "type": "application",
        "bom-ref": "ao-appliance",
        "name": "ao-appliance",
        "version": facts.version,
        "properties": [{"name": "ao:arch", "value": facts.arch}],
    }
    content = json.dumps(components, sort_keys=True)
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{facts.version} {facts.arch} {content}')}",
        "version": 1,
        "metadata": {"timestamp": facts.built_at, "component": product},
        "components": components,
        "dependencies": [{"ref": "ao-appliance", "dependsOn": sorted(each["bom-ref"] for each in components)}],
    }
    text = json.dumps(bill, indent=1, sort_keys=True) + "\n"
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise BundleRefused(f"The bill of materials does not hold to CycloneDX 1.6: {fault}")
    return text


def _component(part: Part) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
    }
    if part.licence:
        component["licenses"] = _licences(part.licence)
    if part.sha256:
        component["hashes"] = [{"alg": "SHA-256", "content": part.sha256}]
    if part.within:
        component["components"] = [_nested(each, part) for each in sorted(part.within, key=_known_as)]
    return component


def _known_as(component: Mapping[str, Any]) -> tuple[str, str]:
    return component["name"], str(component.get("version", ""))


def _licences(said: str) -> list[dict[str, Any]]:
    return [{"license": {"name": said}}] if spdx().validate(said).errors else [{"expression": said}]


def _nested(component: Mapping[str, Any], part: Part) -> dict[str, Any]:
    kept = {key: component[key] for key in ("name", "version", "licenses", "hashes") if key in component}
    if "purl" in component and "file:" not in component["purl"]:
        kept["purl"] = component["purl"]
    name, version = _known_as(component)
    return {"type": "library", "bom-ref": f"{part.purl}#{name}@{version}", **kept}


def notices(found: list[Part], facts: Facts) -> str:
    """What others wrote, under which terms, and where the texts lie: a page to read."""
    lines = [
        f"# Third parties in AO Appliance {facts.version} for {facts.arch}",
        "",
        "Each is used under the licence named here. The texts lie in the folder of that name beside this page; those",
        "of what is compiled into a part, in `spdx/` by the licence's identifier, or in a folder of its own. Nothing",
        "was changed; files that a running release does not need were left out, such as botocore's models of services.",
        "",
        "| part | version | licence | compiled into it |",
        "|---|---|---|---|",
    ]
    for part in found:
        inside = ", ".join(f"{name} {version}".strip() for name, version in sorted(map(_known_as, part.within)))
        lines.append(f"| {part.name} | {part.version} | {part.licence or 'see its texts'} | {inside} |")
    return "\n".join(lines) + "\n"
