"""CPython for hosts that have none: relocatable, for glibc 2.28 and newer, with OpenSSL and SQLite inside it."""
