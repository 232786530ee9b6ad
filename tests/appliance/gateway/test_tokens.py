"""Access tokens: fetched once, renewed beside the calls, and a failed renewal harms nobody while the old one lasts."""

from __future__ import annotations

import asyncio

import pytest

from appliance.gateway.tokens import RENEW_SECONDS, Tokens
from appliance.providers.call import AccessToken


class Grants:
    """Gives numbered tokens that last an hour from `now`; fails while `down`."""

    def __init__(self) -> None:
        self.count = 0
        self.now = 1000.0
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> AccessToken:
        self.count += 1
        await self.gate.wait()
        if self.down:
            raise OSError("unreachable")
        return AccessToken(f"t{self.count}", self.now + 3600)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_calls_that_come_together_wait_for_one_token() -> None:
    async def scene() -> None:
        tokens, grants = Tokens(), Grants()
        assert await asyncio.gather(*(tokens.token("cred", 1000.0, grants) for _ in range(5))) == ["t1"] * 5
        assert await tokens.token("cred", 1000.0 + 3600 - RENEW_SECONDS - 1, grants) == "t1"
        assert grants.count == 1
        assert await tokens.token("other", 1000.0, grants) == "t2"

    asyncio.run(scene())


def test_a_token_near_its_end_is_renewed_and_nobody_waits() -> None:
    async def scene() -> None:
        tokens, grants = Tokens(), Grants()
        await tokens.token("cred", 1000.0, grants)
        grants.gate.clear()
        near = 1000.0 + 3600 - RENEW_SECONDS + 1
        assert [await tokens.token("cred", near, grants) for _ in range(3)] == ["t1"] * 3
        grants.now = near
        await settle()
        grants.gate.set()
        await settle()
        assert await tokens.token("cred", near, grants) == "t2"
        assert grants.count == 2

    asyncio.run(scene())


def test_where_renewal_fails_the_old_one_is_used_to_its_end_and_then_none() -> None:
    async def scene() -> None:
        tokens, grants = Tokens(), Grants()
        await tokens.token("cred", 1000.0, grants)
        grants.down = True
        near = 1000.0 + 3600 - 100
        for _ in range(2):
            assert await tokens.token("cred", near, grants) == "t1"
            await settle()
        with pytest.raises(OSError, match="unreachable"):
            await tokens.token("cred", 1000.0 + 3600, grants)
        grants.down, grants.now = False, 1000.0 + 3600
        assert await tokens.token("cred", 1000.0 + 3600, grants) == f"t{grants.count}"

    asyncio.run(scene())


def test_a_call_that_leaves_does_not_end_the_renewal_of_others() -> None:
    async def scene() -> None:
        tokens, grants = Tokens(), Grants()
        grants.gate.clear()
        leaver, stayer = (asyncio.create_task(tokens.token("cred", 1000.0, grants)) for _ in range(2))
        await settle()
        leaver.cancel()
        await settle()
        grants.gate.set()
        assert await stayer == "t1"

    asyncio.run(scene())


def test_no_token_is_in_a_repr() -> None:
    assert "secret" not in repr(AccessToken("secret", 1.0))
