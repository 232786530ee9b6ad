"""The release as a deb and an rpm: the tree that is in the `.run` file, and scripts that hand on to the installer."""
