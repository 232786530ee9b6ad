"""Makes appliance/providers/catalogue.yaml from the survey of provider endpoints (a CSV), and compiles it to JSON.

    python packaging/make_catalogue.py survey.csv     # write the YAML anew, then compile
    python packaging/make_catalogue.py                # compile only, after the YAML was edited by hand

What is left out, and by which rule:

1. Subscription plans. A row that the survey marks "subscription plan endpoint", and those of PLANS: sold to one person
   for use in one tool, and their terms do not cover a gateway for many.
2. Resellers. An endpoint whose operator routes calls to models that others serve, under the operator's own account with
   them (RESELLERS): who reads the prompt, and under which terms, cannot be told from the row.
3. No wire. An endpoint that speaks neither OpenAI's wire nor one of the native ones (NO_WIRE), or has ended.

Region is taken from the address or the title alone, never guessed from who the operator is.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from media.strict_yaml import load

FOLDER = Path(__file__).resolve().parents[1] / "appliance" / "providers"

PLANS = frozenset(
    {"github-copilot", "stepfun-ai", "umans-ai", "wafer.ai", "opencode-go", "freemodel", "synthetic", "iflowcn"}
)
RESELLERS = frozenset(
    {
        "302ai",
        "abacus",
        "aihubmix",
        "anyapi",
        "apertis",
        "assemblyai",
        "auriko",
        "claudinio",
        "cortecs",
        "crof",
        "edenai",
        "empiriolabs",
        "fastrouter",
        "frogbot",
        "helicone",
        "huggingface",
        "jiekou",
        "kilo",
        "llamagate",
        "llmgateway",
        "llmtr",
        "lucidquery",
        "nano-gpt",
        "neosantara",
        "opencode",
        "openrouter",
        "orcarouter",
        "perplexity-agent",
        "pinstripes",
        "poe",
        "qihang-ai",
        "requesty",
        "routing-run",
        "the-grid-ai",
        "veniceai",
        "vercel-ai-gateway",
        "vivgrid",
        "xpersona",
        "zenmux",
    }
)
NO_WIRE = {
    "replicate": "its own predictions API only",
    "oci-genai": "requests signed in OCI's own way",
    "watsonx": "an API of its own, with IAM tokens",
    "anyscale": "from memory, and ended in 2024",
    "lepton": "from memory, and ended in 2025",
    "predibase": "from memory; the address names the model twice",
    "neon": "no address of its own",
}
PRIVATE = {
    "ai-vllm": ("vllm", "vLLM", "http://{host}:8000/v1"),
    "tgi": ("tgi", "Text Generation Inference", "http://{host}:8080/v1"),
    "sglang": ("sglang", "SGLang", "http://{host}:30000/v1"),
    "ollama-local": ("ollama", "Ollama", "http://{host}:11434/v1"),
    "llamacpp": ("llamacpp", "llama.cpp server", "http://{host}:8080/v1"),
    "lmstudio": ("lmstudio", "LM Studio", "http://{host}:1234/v1"),
    "atomic-chat": ("atomic-chat", "Atomic Chat", "http://{host}:1337/v1"),
    "privatemode-ai": ("privatemode-ai", "Privatemode AI (its local proxy)", "http://{host}:8080/v1"),
}
CHAT = ["chat/completions"]
MESSAGES = [*CHAT, "messages", "messages/count_tokens"]
CHANGES: dict[str, dict[str, Any]] = {
    "anthropic": {"api_base": "https://api.anthropic.com/v1", "endpoints": MESSAGES},
    "anthropic-openai": {"endpoints": CHAT, "quirks": ["one_choice", "no_strict_tools"]},
    "azure-classic": {
        "api_base": "https://{resource}.openai.azure.com",
        "defaults": {"api_version": "2024-10-21"},
        "endpoints": [
            *CHAT,
            "completions",
            "embeddings",
            "images/generations",
            "images/edits",
            "audio/speech",
            "audio/transcriptions",
            "audio/translations",
        ],
    },
    "azure-v1": {"auth": "api-key"},
    "bedrock-converse": {"api_base": "https://bedrock-runtime.{region}.amazonaws.com", "endpoints": CHAT},
    "bedrock-runtime": {"endpoints": [*CHAT, "responses"]},
    "gemini": {"endpoints": CHAT},
    "vertex-openai": {
        "api_base": "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/endpoints/openapi",
        "auth": "google-service-account",
        "endpoints": CHAT,
    },
    "mistral": {
        "quirks": ["max_tokens", "any_for_required", "random_seed", "no_stream_options", "system_for_developer"],
        "notes": "usage comes in the last chunk unasked",
    },
    "deepseek": {"quirks": ["max_tokens", "system_for_developer", "no_json_schema"]},
    "perplexity": {"quirks": ["max_tokens", "system_for_developer"], "endpoints": CHAT},
    "moonshotai": {"quirks": ["system_for_developer"]},
    "moonshotai-cn": {"quirks": ["system_for_developer"]},
    "zai": {"quirks": ["max_tokens", "no_json_schema", "auto_tool_choice", "system_for_developer"]},
    "zhipuai": {"quirks": ["max_tokens", "no_json_schema", "auto_tool_choice", "system_for_developer"]},
    "alibaba": {"quirks": ["system_for_developer"]},
    "alibaba-cn": {"quirks": ["system_for_developer"]},
    "tgi": {"quirks": ["max_tokens", "system_for_developer"]},
    "ollama": {"quirks": ["max_tokens", "auto_tool_choice", "system_for_developer", "one_choice"]},
    "llamacpp": {"quirks": ["system_for_developer"]},
    "minimax": {"endpoints": [*CHAT, "messages"]},
    "minimax-cn": {"endpoints": [*CHAT, "messages"]},
}
MORE: list[dict[str, Any]] = [
    {
        "id": "vertex",
        "title": "Google Vertex AI (Gemini)",
        "api_base": "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/publishers/google",
        "auth": "google-service-account",
        "wire": "gemini",
        "endpoints": CHAT,
        "notes": "the key is the JSON file of a service account",
        "source": "docs.cloud.google.com/vertex-ai, REST reference",
        "confirmed": "partly",
    },
    {
        "id": "vertex-global",
        "title": "Google Vertex AI (Gemini), global endpoint",
        "api_base": "https://aiplatform.googleapis.com/v1/projects/{project}/locations/global/publishers/google",
        "auth": "google-service-account",
        "wire": "gemini",
        "endpoints": CHAT,
        "source": "docs.cloud.google.com/vertex-ai, REST reference",
        "confirmed": "partly",
    },
    {
        "id": "lmdeploy",
        "title": "LMDeploy api_server",
        "api_base": "http://{host}:23333/v1",
        "auth": "bearer",
        "wire": "openai",
        "private": True,
        "quirks": ["max_tokens", "system_for_developer"],
        "source": "the project's documentation, from memory",
        "confirmed": "no",
    },
    {
        "id": "triton",
        "title": "NVIDIA Triton, OpenAI-compatible frontend",
        "api_base": "http://{host}:9000/v1",
        "auth": "bearer",
        "wire": "openai",
        "private": True,
        "quirks": ["max_tokens"],
        "source": "the project's documentation, from memory",
        "confirmed": "no",
    },
]
WIRES = {"openai": "openai", "anthropic-messages": "anthropic", "azure": "azure", "gemini": "gemini"}
CONFIRMED = {
    "confirmed-vendor-doc": "vendor-doc",
    "confirmed-secondary": "secondary",
    "partly-confirmed": "partly",
    "unconfirmed": "no",
}
ORDER = ("id", "title", "api_base", "auth", "wire", "private", "region", "endpoints", "quirks", "defaults", "notes")


def rows(survey: Path) -> list[dict[str, Any]]:
    """The rows that stay, by id."""
    with survey.open(newline="", encoding="utf-8") as file:
        kept = [row_of(each) for each in csv.DictReader(file) if stays(each)]
    return sorted([*kept, *MORE], key=lambda row: row["id"])


def stays(line: dict[str, str]) -> bool:
    plan = "subscription plan" in line["quirks"] or line["id"] in PLANS
    return not plan and line["id"] not in RESELLERS and line["id"] not in NO_WIRE


def row_of(line: dict[str, str]) -> dict[str, Any]:
    id_, title, address = PRIVATE.get(line["id"], (line["id"], line["name"], line["base_url"]))
    wire = "bedrock" if line["id"] == "bedrock-converse" else WIRES[line["adapter"]]
    auth = {"azure": "api-key", "anthropic": "x-api-key", "gemini": "x-goog-api-key", "bedrock": "aws"}
    row: dict[str, Any] = {
        "id": id_.replace("_", "-"),
        "title": title,
        "api_base": re.sub(r"\$\{[A-Z]+_([A-Z]+)(?:_ID)?\}", lambda found: "{" + found.group(1).lower() + "}", address)
        .replace("{location}", "{region}")
        .rstrip("/"),
        "auth": auth.get(wire, "bearer"),
        "wire": wire,
    }
    row["api_base"] = re.sub(r"\{cloudflare_account\}", "{account}", row["api_base"])
    if line["id"] in PRIVATE:
        row["private"] = True
    if region := region_of(row["api_base"], title):
        row["region"] = region
    if "max_completion_tokens->max_tokens" in line["quirks"]:
        row["quirks"] = ["max_tokens"]
    elif line["quirks"]:
        row["notes"] = line["quirks"]
    if wire == "anthropic":
        row["defaults"] = {"max_tokens": "4096"}
    row |= CHANGES.get(row["id"], {})
    return row | {"source": line["source"], "confirmed": CONFIRMED[line["status"]]}


def region_of(address: str, title: str) -> str | None:
    host = address.split("/")[2]
    if "(China)" in title or "cn-" in host or host.endswith(".cn") or title.endswith(("(minimaxi.com)",)):
        return "cn"
    if "eu01" in host or "(Europe)" in title or host.endswith(".eu"):
        return "eu"
    if "-intl" in host or "intl" in title:
        return "intl"
    return None


def yaml_of(made: list[dict[str, Any]]) -> str:
    """One mapping a row, every text in double quotes: nothing in it can be taken for anything else."""
    lines = [
        "# Provider endpoints as rows of data; README.md says what each member means.",
        "# After a change by hand: python packaging/make_catalogue.py",
        "providers:",
    ]
    for row in made:
        for number, name in enumerate(name for name in (*ORDER, "source", "confirmed") if name in row):
            lines.append(f"{'  - ' if not number else '    '}{name}: {json.dumps(row[name], ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def compiled(text: bytes) -> bytes:
    """What is loaded: the same rows as JSON, a row a line."""
    found = load(text).value
    assert isinstance(found, dict)
    return ("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in found["providers"]) + "\n]\n").encode()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        (FOLDER / "catalogue.yaml").write_text(yaml_of(rows(Path(sys.argv[1]))), encoding="utf-8")
    (FOLDER / "catalogue.json").write_bytes(compiled((FOLDER / "catalogue.yaml").read_bytes()))
