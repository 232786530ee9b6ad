"""LangChain and instructor, changed in nothing but their address and key. Run by an environment of their own
(`make clients`), since they ask for other versions of the official client; prints one JSON object of what they saw."""

from __future__ import annotations

import json
import sys
from typing import Any


def main(url: str, key: str) -> None:
    import instructor  # type: ignore[import-not-found]  # of the other environment
    import openai
    from langchain_anthropic import ChatAnthropic  # type: ignore[import-not-found]  # of the other environment
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # type: ignore[import-not-found]  # likewise
    from pydantic import BaseModel

    class Weather(BaseModel):
        """Where it is asked about."""

        city: str

    base = f"{url}/v1"
    given: dict[str, Any] = {"api_key": key, "max_retries": 0}
    # A model of random weights that draws its words says nothing at all once in forty calls.
    chat = ChatOpenAI(model="llama", base_url=base, max_tokens=8, temperature=0, **given)
    tools = ChatOpenAI(model="recorded", base_url=base, **given).bind_tools([Weather])
    claude = ChatAnthropic(model="llama", base_url=url, max_tokens=8, temperature=0, **given)
    vectors = OpenAIEmbeddings(model="llama", base_url=base, check_embedding_ctx_length=False, **given)
    client = instructor.from_openai(openai.OpenAI(base_url=base, **given), mode=instructor.Mode.TOOLS)
    whole = chat.invoke("the heron")
    seen = {
        "langchain chat": {"text": whole.content, **whole.usage_metadata},
        "langchain stream": "".join(str(each.content) for each in chat.stream("the heron")),
        "langchain tools": tools.invoke("the heron").tool_calls[0]["args"],
        "langchain embedding": len(vectors.embed_query("the heron")),
        "langchain anthropic": claude.invoke("the heron").usage_metadata,
        "instructor": client.chat.completions.create(
            model="recorded", messages=[{"role": "user", "content": "where?"}], response_model=Weather, max_retries=0
        ).model_dump(),
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
