"""The description that callers read (OpenAPI 3.1): Litestar's, and what every route here has besides (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.admin_api.confirmation import HEADER
from appliance.admin_api.routes import PREFIX, Declared

_REFUSALS: Mapping[int, str] = {
    400: "The call is not what it should be, or the operation refuses it",
    401: "No token, or none that opens anything; or a signature that is not of this call",
    402: "The licence does not allow it",
    403: "Not permitted",
    404: "There is no such thing",
    405: "There is no such method here",
    408: "The body did not arrive in time",
    409: "It contradicts what is there, or the confirmation is void",
    413: "The body is too large",
    428: "It says what would happen, and how to agree to it",
    429: "Too many tries",
    500: "A fault of the appliance",
    503: "The state cannot be used now",
    507: "The disk is full",
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "remedy"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "remedy": {"type": "string"},
                "where": {"type": "string"},
                "confirm": {
                    "type": "object",
                    "required": ["token", "expires_at"],
                    "properties": {"token": {"type": "string"}, "expires_at": {"type": "string"}},
                },
            },
        }
    },
}


def describe(made: dict[str, Any], routes: Sequence[Declared]) -> dict[str, Any]:
    """`made` is what Litestar says of the handlers."""
    told = {**made, "security": [{"bearer": []}]}
    components = told.setdefault("components", {})
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    components.setdefault("schemas", {})["Refused"] = _ERROR
    for each in routes:
        operation = told["paths"][PREFIX + _plain(each.path)][each.method.lower()]
        _complete(operation, each)
    return told


def _plain(path: str) -> str:
    """`{key:str}` is `{key}` in a description."""
    return path.replace(":str}", "}").replace(":int}", "}")


def _complete(operation: dict[str, Any], route: Declared) -> None:
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Refused"}}}
    for status, said in _REFUSALS.items():
        if status != 428 or route.asks_twice:
            operation["responses"][str(status)] = {"description": said, "content": refused}
    if route.open_to_all:
        operation["security"] = []
    operation["x-ao-permissions"] = [each.value for each in route.needs]
    operation["x-ao-commands"] = [f"ao {each}" for each in route.commands]
    if route.asks_twice:
        operation.setdefault("parameters", []).append(
            {
                "name": HEADER,
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
                "description": "The confirmation that the first call was answered with.",
            }
        )
    if route.document is not None:
        operation["requestBody"] = {
            "required": True,
            "description": f"The bytes of {route.document}.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    if route.media_type != "application/json":
        for status, answer in operation["responses"].items():
            if status.startswith("2"):
                answer["content"] = {route.media_type: {"schema": {"type": "string", "format": "binary"}}}
