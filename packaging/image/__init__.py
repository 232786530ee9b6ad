"""The release as an OCI image from scratch, and the chart that runs it: made without a daemon, from the same tree."""
