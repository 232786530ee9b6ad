"""The `ao` command of a release, under its own Python: `bin/ao` starts it."""

from appliance.cli.entry import main

if __name__ == "__main__":
    main(prog_name="ao")
