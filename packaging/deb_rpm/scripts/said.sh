say() { printf '%s\n' "ao-appliance: $*" >&2; }
