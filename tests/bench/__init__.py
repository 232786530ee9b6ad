"""What the gateway costs: CPU per request and per streamed chunk, added latency, memory, time to start.

`python -m tests.bench --help` says how to run it. The flow is in `__main__`; a new subject is one class in `subjects`.
"""
