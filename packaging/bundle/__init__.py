"""One file that puts the appliance on a host with no internet and no Python: assembled, checked, packed."""
