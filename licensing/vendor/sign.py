"""A config, signed for one site by the vendor.

Promise: pure. What the author wrote leaves here byte for byte as it came, with the head that `licensing.config_header`
puts before it or has checked; and the signed file opens again under the vendor's own trust, within the size that a site
reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from licensing import config_header
from licensing.document import PAYLOAD_TYPES
from licensing.envelope import Signer
from licensing.errors import LicensingError
from licensing.trust import Trust
from licensing.vendor.countersign import Countersigned, sign_together
from licensing.vendor.errors import ConfigRefused
from media.reader import LIMITS
from media.strict_yaml import load_named

PAYLOAD_TYPE = PAYLOAD_TYPES["config"]


def with_head(text: bytes, *, file: str, site: str, serial: int, now: datetime) -> bytes:
    """The config's body: `text` with a head for this site and serial. `file` is what to call it in a refusal.

    Raises YamlRefused, ConfigRefused, each with the place.
    """
    try:
        body = config_header.with_head(
            text,
            file=file,
            site=site,
            serial=serial,
            now=now,
            limit=LIMITS["config"],
            read=lambda data: load_named(data, file),
        )
    except LicensingError as error:
        raise ConfigRefused(error.message, where=error.where, remedy=error.remedy) from error
    return body


def sign_config(body: bytes, signers: Sequence[Signer], trust: Trust) -> Countersigned:
    """The file in its clear form, as those who are here sign it. Raises ConfigRefused."""
    signed = sign_together(PAYLOAD_TYPE, body, signers, trust, "config", clear=True)
    size = len(signed.document)
    if size > LIMITS["config"]:
        raise ConfigRefused(f"The signed config would have {size} bytes; a site reads {LIMITS['config']}.")
    return signed
