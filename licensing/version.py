"""The one place that states the product's version and when it was made."""

from datetime import UTC, datetime

__version__ = "0.1.0"

BUILD_TIME = datetime(2026, 11, 23, tzinfo=UTC)
"""No host's clock is right that is earlier than this: the first floor of a new site. Raised with each release."""

UPGRADES_FROM = "0.1.0"
"""The oldest version whose state this one takes over. Raised only when a migration gives up on older ones."""
