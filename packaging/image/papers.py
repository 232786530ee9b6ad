"""What an image tells of itself: the bill of materials of all that is in it, notices, and the texts of licences.

The release brings its own; here the C library is added to it, in one bill for whoever scans images.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bundle import bill
from bundle.facts import Facts
from image.errors import ImageClosed
from image.pins import DEBIAN, Package, Pins

HERE = Path(__file__).resolve().parent
LICENCES = "licences"
NOTICES = "NOTICES.md"


def papers(tree: Path, facts: Facts, pins: Pins) -> Mapping[str, bytes]:
    """Every paper by its name below the image's own folder of documents."""
    texts = {
        f"{LICENCES}/{file.parent.name}/{file.name}": file.read_bytes() for file in sorted(HERE.glob("licences/*/*"))
    }
    bill_text = bill_of(json.loads((tree / bill.NAME).read_text("utf-8")), facts, pins)
    return {bill.NAME: bill_text.encode(), NOTICES: notices(facts, pins).encode(), **texts}


def bill_of(release: dict[str, Any], facts: Facts, pins: Pins) -> str:
    """The release's bill with the packages added. Raises ImageClosed where it does not hold to CycloneDX's schema."""
    found = [*release["components"], *(_component(each, facts.arch) for each in pins.packages)]
    product = {
        "type": "container",
        "bom-ref": "ao-appliance-image",
        "name": "ao-appliance",
        "version": facts.version,
        "properties": [{"name": "ao:arch", "value": facts.arch}],
    }
    content = json.dumps(found, sort_keys=True)
    whole = {
        **release,
        "serialNumber": f"urn:uuid:{uuid.uuid5(bill.NAMESPACE, f'image {facts.version} {facts.arch} {content}')}",
        "metadata": {"timestamp": facts.built_at, "component": product},
        "components": found,
        "dependencies": [{"ref": "ao-appliance-image", "dependsOn": sorted(each["bom-ref"] for each in found)}],
    }
    text = json.dumps(whole, indent=1, sort_keys=True) + "\n"
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ImageClosed([f"the bill of materials does not hold to CycloneDX 1.6: {fault}"])
    return text


def _component(package: Package, arch: str) -> dict[str, Any]:
    purl = f"{package.purl}?arch={DEBIAN[arch]}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
        "licenses": [{"expression": package.licence}],
        "hashes": [{"alg": "SHA-256", "content": package.sha256[arch]}],
    }


def notices(facts: Facts, pins: Pins) -> str:
    """Whose work lies beside the release, under which terms, and how to come by its source: a page to read."""
    lines = [
        f"# Third parties in the image of AO Appliance {facts.version} for {facts.arch}",
        "",
        f"Those in the release: /opt/ao/release/{bill.NOTICES}. Beside it lie parts of two packages of Debian",
        f"({pins.suite}), unchanged, as Debian built them:",
        "",
        "| package | version | licence | files | source package |",
        "|---|---|---|---|---|",
        *(
            f"| {each.name} | {each.version} | {each.licence} | {', '.join(_here(each, facts.arch))} | {each.source} |"
            for each in pins.packages
        ),
        "",
        f"The texts of the licences lie in {LICENCES}/. The appliance is linked against them as shared libraries: put",
        "others of the same interface into an image of your own, and it uses those. With each release the vendor keeps",
        "the source packages of these very versions, and hands them over on a medium to whoever asks, at no more than",
        "the cost of the medium, for three years from the release and as long as it is supported.",
        "",
    ]
    return "\n".join(lines)


def _here(package: Package, arch: str) -> list[str]:
    other = "ld-linux-aarch64" if arch == "x86_64" else "ld-linux-x86-64"
    return [each for each in package.files if not each.startswith(other)]
