"""Killing and failing disks, many rounds over, held against a count that is kept outside."""
