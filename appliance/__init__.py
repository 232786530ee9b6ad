"""The running gateway: config, access, routing, metering, ledger."""
