"""What the command line, the admin API and the console all call: one function an act, each complete in itself.

An operation reads and changes state through the packages below it and returns plain data; it prints nothing and reads
no clock of its own.
"""
