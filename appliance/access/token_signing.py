"""The key with which a service token's calls are signed: made of the site's secret and the token's id, kept nowhere.

It is shown with the token and travels with no call. Whoever meets the token alone, in a log or on a wire, cannot sign.
"""

from __future__ import annotations

from appliance.state.site_key import SiteKey


def signing_key(key: SiteKey, token_id: str) -> str:
    """64 hexadecimal digits, as they are shown and (their ASCII bytes) as they are used."""
    return key.derive(b"ao admin call signing\n" + token_id.encode()).hex()
