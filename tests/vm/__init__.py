"""Scenes in a virtual machine: what no filesystem of this host can show. `make test-vm`; not part of `make test`."""
