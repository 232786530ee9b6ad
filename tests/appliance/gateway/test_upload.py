"""Forms on their way through: the model found wherever it stands and replaced, and nothing held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from multipart import PushMultipartParser

from appliance.gateway.errors import BodyTooLarge, GatewayRefusal, InvalidRequest, RequestTimeout
from appliance.gateway.request import ClientGone
from appliance.gateway.upload import HELD_IN_MEMORY_BYTES, Upload, boundary_in

BOUNDARY = b"----abc"
SOUND = bytes(range(256)) * 40


def part(name: str, value: bytes, *, filename: str | None = None, more: str = "") -> bytes:
    file = f'; filename="{filename}"\r\nContent-Type: audio/wav' if filename else ""
    head = f'Content-Disposition: form-data; name="{name}"{file}\r\n{more}\r\n'
    return b"--" + BOUNDARY + b"\r\n" + head.encode() + value + b"\r\n"


END = b"--" + BOUNDARY + b"--\r\n"
MODEL = part("model", b"alias")
FILE = part("file", SOUND, filename="ton ü.wav")
FORM = MODEL + part("language", b"de") + FILE + END


class App:
    """An app that sends these pieces, and then waits or leaves."""

    def __init__(self, *pieces: bytes, leaves: bool = False) -> None:
        self.pieces = list(pieces)
        self.leaves = leaves

    async def __call__(self) -> Any:
        if self.pieces:
            piece = self.pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self.pieces) or self.leaves}
        if self.leaves:
            return {"type": "http.disconnect"}
        await asyncio.sleep(60)
        return None


def passed(folder: Path, app: App, model: str = "upstream-name", seconds: float = 5) -> tuple[str, bytes]:
    """The model that the app named, and the body as the upstream gets it."""

    async def run() -> tuple[str, bytes]:
        upload = Upload(app, BOUNDARY, folder, seconds)
        name = await upload.find_model()
        return name, b"".join([piece async for piece in upload.with_model(model)])

    return asyncio.run(run())


def parts_in(body: bytes) -> dict[str, tuple[str | None, bytes]]:
    """Name → file name and value; the parser is strict."""
    found: dict[str, tuple[str | None, bytes]] = {}
    name = ""
    with PushMultipartParser(BOUNDARY, strict=True) as parser:
        for event in parser.parse(body):
            if event is not None and not isinstance(event, bytes | bytearray):
                name = event.name
                assert name not in found
                found[name] = (event.filename, b"")
            elif event:
                found[name] = (found[name][0], found[name][1] + bytes(event))
    return found


GOOD = {"model": (None, b"upstream-name"), "language": (None, b"de"), "file": ("ton ü.wav", SOUND)}


def test_the_model_is_replaced_and_all_else_is_kept(tmp_path: Path) -> None:
    name, body = passed(tmp_path, App(FORM))
    assert name == "alias"
    assert parts_in(body) == GOOD


def test_a_form_cut_anywhere_is_the_same_form(tmp_path: Path) -> None:
    form = MODEL + part("language", b"de") + part("file", b"\r\n--" + BOUNDARY[:-1] + b"x", filename="a") + END
    expected = parts_in(passed(tmp_path, App(form))[1])
    assert expected["file"][1] == b"\r\n--" + BOUNDARY[:-1] + b"x"
    for cut in range(1, len(form)):
        name, body = passed(tmp_path, App(form[:cut], form[cut:]))
        assert (name, parts_in(body)) == ("alias", expected)


def test_a_model_behind_a_large_file_is_found_and_the_file_is_not_held(tmp_path: Path) -> None:
    sound = SOUND * 400
    assert len(sound) > 3 * HELD_IN_MEMORY_BYTES
    form = part("file", sound, filename="a.wav") + MODEL + END
    pieces = [form[n : n + 65_536] for n in range(0, len(form), 65_536)]
    name, body = passed(tmp_path, App(*pieces))
    assert name == "alias"
    assert parts_in(body) == {"model": (None, b"upstream-name"), "file": ("a.wav", sound)}
    assert list(tmp_path.iterdir()) == []


def test_what_waits_on_the_disk_cannot_be_read_there(tmp_path: Path) -> None:
    """A file without a name, and cipher text in it."""

    async def on_disk() -> bytes:
        sound = b"PROMPT-MARKER " * 200_000
        upload = Upload(App(part("file", sound, filename="a.wav") + MODEL + END), BOUNDARY, tmp_path)
        await upload.find_model()
        held = upload._held._file
        assert held is not None
        held.flush()
        held.seek(0)
        read = held.read()
        upload.close()
        return read

    data = asyncio.run(on_disk())
    assert len(data) > 2_000_000
    assert b"PROMPT-MARKER" not in data
    assert list(tmp_path.iterdir()) == []


REFUSED = {
    "no model": FILE + END,
    "two models": MODEL + FILE + MODEL + END,
    "not a form": b"model=alias",
    "a name that is no text": part("model", b"\xff\xfe") + END,
    "a name without an end": part("model", b"m" * 300) + END,
    "another header": MODEL + part("file", b"x", filename="a", more="X-Odd: 1\r\n") + END,
    "cut off": (MODEL + FILE)[:-30],
    "empty": b"",
    "too many parts": MODEL + b"".join(part(f"p{n}", b"x") for n in range(80)) + END,
}


@pytest.mark.parametrize("form", REFUSED.values(), ids=list(REFUSED))
def test_a_form_that_says_two_things_or_none_is_refused(tmp_path: Path, form: bytes) -> None:
    with pytest.raises(InvalidRequest):
        passed(tmp_path, App(form))


def test_quotes_and_line_ends_in_names_cannot_end_a_header(tmp_path: Path) -> None:
    odd = part("a%22b", b"1") + MODEL + END
    _, body = passed(tmp_path, App(odd))
    assert body.count(b"Content-Disposition") == 2


def test_a_form_is_given_once_and_its_fault_is_kept(tmp_path: Path) -> None:
    async def run() -> Exception | None:
        upload = Upload(App(MODEL, FILE[:50], leaves=True), BOUNDARY, tmp_path)
        await upload.find_model()
        with pytest.raises(ClientGone):
            [piece async for piece in upload.with_model("x")]
        assert upload.spent
        return upload.fault

    assert isinstance(asyncio.run(run()), ClientGone)


def test_a_body_that_stops_coming_is_given_up(tmp_path: Path) -> None:
    app = App(MODEL[:10], b"")
    app.leaves = False
    app.pieces = [MODEL[:10]]

    async def stalled() -> Any:
        if app.pieces:
            return {"type": "http.request", "body": app.pieces.pop(), "more_body": True}
        await asyncio.sleep(60)
        return None

    with pytest.raises(RequestTimeout):
        asyncio.run(Upload(stalled, BOUNDARY, tmp_path, 0.05).find_model())


def test_a_call_that_is_over_waits_for_no_more_of_its_body(tmp_path: Path) -> None:
    async def run() -> float:
        upload = Upload(stalled, BOUNDARY, tmp_path, 60)
        await upload.find_model()
        body = upload.with_model("x")
        reading = asyncio.ensure_future(_all_of(body))
        await asyncio.sleep(0.05)
        since = asyncio.get_running_loop().time()
        upload.close()
        with pytest.raises(ClientGone):
            await reading
        return asyncio.get_running_loop().time() - since

    sent = [MODEL + FILE[:50]]

    async def stalled() -> Any:
        if sent:
            return {"type": "http.request", "body": sent.pop(), "more_body": True}
        return await asyncio.sleep(60)

    assert asyncio.run(run()) < 1


async def _all_of(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def test_a_form_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.gateway.upload.UPLOAD_LIMIT_BYTES", 5000)
    with pytest.raises(BodyTooLarge):
        passed(tmp_path, App(MODEL, FILE, END))


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=a"],
)
def test_what_is_no_form_is_refused(content_type: str) -> None:
    with pytest.raises(GatewayRefusal):
        boundary_in(content_type.encode())


def test_a_boundary_is_found() -> None:
    assert boundary_in(b'multipart/form-data; charset=utf-8; boundary="a b"') == b"a b"
