"""The config that is in force: read back and verified again, by whoever may sign it now."""

from __future__ import annotations

from appliance.config.open import OpenedConfig, open_config
from appliance.errors import ConfigMissing
from appliance.state.site import Site
from licensing.document import Verified
from licensing.trust import Trust


def open_config_in_force(site: Site, trust: Trust) -> OpenedConfig:
    """Raises ConfigMissing, and what `open_config` refuses: a config whose signers are no longer trusted is none."""
    data = site.document("config")
    if data is None:
        raise ConfigMissing("No config has been imported, so no model is known.")
    licence = site.licence(trust)
    delegation = licence.claims.config_delegation if isinstance(licence, Verified) else None
    return open_config(data, trust, site=site.id, delegation=delegation)
