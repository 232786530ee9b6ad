"""The certificate by which `ao serve` asks its own workers where clients need one.

Promise: made anew at each start, by an authority of its own that signs nothing else; its key leaves this process only
through a sealed file in memory that TLS's library reads, and nobody else on the host is given it.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from appliance.tls.authority import issue_client, make_authority, revocation_list
from appliance.tls.in_memory import file_in_memory, path_of
from appliance.tls.material import Material

NAME = "ao serve"
_DAYS = 825


class LocalIdentity:
    """One for each run of `ao serve`."""

    def __init__(self) -> None:
        # A clock far ahead of a listener's would make it invalid; both are this host's.
        now = datetime.now(UTC)
        authority = make_authority(f"{NAME} {os.urandom(8).hex()}", days=_DAYS, now=now)
        client = issue_client(authority, NAME, days=_DAYS, now=now)
        self._authority = authority.certificate.public_bytes(Encoding.PEM).decode()
        none = revocation_list(authority, (), number=1, days=_DAYS, now=now)
        self._none_revoked = none.public_bytes(Encoding.PEM).decode()
        self._both = client.certificate.public_bytes(Encoding.PEM) + client.key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )

    def admitted_to(self, material: Material) -> Material:
        """The same, with this authority believed beside the operator's."""
        if not material.client_ca:
            return material
        return replace(
            material,
            client_ca=material.client_ca + self._authority,
            crls=(*material.crls, self._none_revoked) if material.crls else (),
        )

    def present(self, context: ssl.SSLContext) -> None:
        descriptor = file_in_memory("ao-client", self._both)
        try:
            context.load_cert_chain(path_of(descriptor))
        finally:
            os.close(descriptor)
