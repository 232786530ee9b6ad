"""Fuzzing: every reader of foreign bytes, given bytes that nobody thought of. `make fuzz` looks for new ones; what was
found once is kept in `crashers/` and given to the same functions again by the ordinary suite."""
