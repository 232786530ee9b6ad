"""What of a file is signed by nobody: a reader of its own, by which tests tell what may differ without being noticed.

Two files of one `unsigned_spelling` say the same, signed by the same. There are four such freedoms, and no fifth: white
space between the tokens of the envelope's JSON, the text of a key id, which of the two alphabets the base64 is in, and
escapes for the very characters that stand there. Shares no code with licensing/envelope.py.
"""

from __future__ import annotations

import json
import re

_CLEAR = re.compile(
    rb"(?P<body>.*)# -----BEGIN AO SIGNATURE-----\n# (?P<json>[^\n]*)\n# -----END AO SIGNATURE-----\n", re.DOTALL
)
_TOKEN = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\.)*"|[ \t\r\n]+|.', re.DOTALL)
_WHITE = b" \t\r\n"
Spelling = tuple[bytes, tuple[object, ...]]


def unsigned_spelling(data: bytes) -> Spelling:
    """The clear-signed text, if there is one, and the tokens of the envelope without what nobody signed."""
    if data[:1] == b"{":
        body, text = b"", data
    elif clear := _CLEAR.fullmatch(data):
        body, text = clear["body"], clear["json"]
    else:
        return data, ()
    tokens: list[object] = []
    for token in _TOKEN.findall(text):
        if token[:1] not in _WHITE:
            tokens.append(_meaning(token, tokens[-2:]))
    return body, tuple(tokens)


def _meaning(token: bytes, before: list[object]) -> object:
    if token[:1] != b'"':
        return token
    try:
        text = json.loads(token.decode("utf-8"))
        text.encode("utf-8")
    except ValueError:
        return token
    if before == ["keyid", b":"]:
        return ""
    in_one_alphabet = not re.search(r"[-_]", text) or not re.search(r"[+/]", text)
    if before in (["payload", b":"], ["sig", b":"]) and in_one_alphabet:
        return text.replace("-", "+").replace("_", "/")
    return text
