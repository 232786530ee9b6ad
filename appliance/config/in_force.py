"""The config that is in force: read back and verified again, by whoever may sign it now."""

from __future__ import annotations

from appliance.config.open import OpenedConfig, open_config
from appliance.config.usage_part import GUARDED, UsagePolicy
from appliance.errors import ConfigMissing
from appliance.state.site import Site
from licensing.document import Verified
from licensing.errors import Refusal
from licensing.trust import Trust


def open_config_in_force(site: Site, trust: Trust) -> OpenedConfig:
    """Raises ConfigMissing, and what `open_config` refuses: a config whose signers are no longer trusted is none."""
    data = site.document("config")
    if data is None:
        raise ConfigMissing("No config has been imported, so no model is known.")
    licence = site.licence(trust)
    delegation = licence.claims.config_delegation if isinstance(licence, Verified) else None
    return open_config(data, trust, site=site.id, delegation=delegation)


def usage_policy(site: Site) -> UsagePolicy:
    """What the config in force says of usage. One that cannot be read may have held labels back: so does this."""
    try:
        return open_config_in_force(site, site.trust()).verified.claims.usage
    except ConfigMissing:
        return UsagePolicy()
    except Refusal:
        return UsagePolicy(GUARDED)
