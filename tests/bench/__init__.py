"""What the gateway costs: CPU per request and per streamed chunk, added latency, memory, time to start.

`python -m tests.bench --help` says how to run it. The flow is in `__main__`; a new subject is one class in `subjects`.
"""

import sys
from pathlib import Path

# The release that is measured is made by packaging/bundle, which is a folder of programs and no installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "packaging"))
