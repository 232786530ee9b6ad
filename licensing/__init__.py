"""What a document says, and whether to believe it. Pure: no disk, no network, no clock of its own (except in
vendor/)."""
