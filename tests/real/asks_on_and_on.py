"""A program of somebody's: asks a gateway through OpenAI's own client, one call after another, until its input ends.

`python -m tests.real.asks_on_and_on BASE_URL KEY MODEL`; a line of JSON for each call: when it ended, and its id, or
what went wrong.
"""

from __future__ import annotations

import json
import select
import sys
import time

import openai


def main() -> int:
    base_url, key, model = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=30)
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        said: dict[str, object]
        try:
            answer = client.chat.completions.with_raw_response.create(
                model=model, messages=[{"role": "user", "content": "Hello"}]
            )
            assert answer.parse().choices
            said = {"id": answer.headers["x-request-id"]}
        except openai.OpenAIError as fault:
            said = {"fault": type(fault).__name__}
        print(json.dumps({"at": time.monotonic(), **said}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
