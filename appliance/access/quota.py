"""Whether a call fits all that it is to fit: the licence, its org, its team, its key, in one step for all workers.

Promise: a call is counted in all of its accounts or in none, under one lock of the kernel's; a call that is refused
uses up nothing. What each cap counts, and how exact it is, is in ACCESS.md. A worker that is killed leaves its calls
behind: whoever looks next counts what they had reserved as used, and gives their places back.

Reads no clock and no database: times are arguments; what was spent before a cap was in force comes with the account.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from appliance.access import region as at
from appliance.access.account import LARGEST_CALL, Account, Ask, Full, Moment, Room, Spent
from appliance.access.caps import COUNTED
from appliance.access.page import (
    begin,
    bring,
    charge,
    counted,
    end_calls,
    fits,
    know_at_least,
    longer,
    release,
    rooms,
    take,
    what_is_full,
)
from appliance.access.region import PAGE, Region
from appliance.access.window import bucket_at

QUOTA_FILE = "quota"
"""In the state folder."""

NO_RECORD = -1
"""Of a call that leaves nothing to settle: its accounts count requests only."""


@dataclass(slots=True)
class Taken:
    """A call that was let in, until it is settled."""

    accounts: tuple[Account, ...]
    pages: tuple[int, ...]
    record: int
    generation: int
    tokens: int
    cost: int
    requests_room: Room | None
    tokens_room: Room | None


class Quota:
    """One per process, on the same file. Not for use by two threads at once. Raises StateUnwritable."""

    def __init__(self, file: Path, *, boot_id: bytes) -> None:
        self._region = Region(file, boot_id=boot_id)
        self._pages: dict[bytes, int] = {}
        self._seen = 0
        self._seeded: dict[bytes, Spent] = {}
        self._free: list[int] = []
        self._mine: set[int] = set()
        self._generation = self._region.generation

    def admit(self, accounts: tuple[Account, ...], ask: Ask, moment: Moment) -> Taken | Full:
        """Takes a call out of every account, or says what is in the way for longest."""
        bucket, day = bucket_at(moment.seconds), moment.day
        tokens, cost = ask.tokens, min(ask.cost, LARGEST_CALL)
        with self._region:
            pages = tuple([self._page_of(account, moment) for account in accounts])
            words = self._region.words
            worst: Full | None = None
            for account, page in zip(accounts, pages, strict=True):
                start = page * PAGE
                bring(words, start, bucket, day)
                if not fits(words, start, account.most, tokens, cost):
                    full = what_is_full(words, start, account, ask, moment)
                    if full is not None and (worst is None or longer(full, worst)):
                        worst = full
            if worst is not None:
                return worst
            record = NO_RECORD
            if all(account.only_requests for account in accounts):
                for page in pages:
                    begin(words, page * PAGE)
            else:
                record = self._record(pages, tokens, cost)
                words = self._region.words
                for page in pages:
                    take(words, page * PAGE, tokens, cost)
            requests, left = rooms(words, accounts, pages, moment)
        return Taken(accounts, pages, record, self._generation, tokens, cost, requests, left)

    def settle(self, taken: Taken, tokens: int, cost: int, moment: Moment) -> None:
        """Ends a call: what it really used takes the place of what it had reserved. Once for each call."""
        if taken.record == NO_RECORD:
            return
        tokens, cost = max(0, min(tokens, LARGEST_CALL)), max(0, min(cost, LARGEST_CALL))
        bucket, day = bucket_at(moment.seconds), moment.day
        with self._region as words:
            if taken.generation != self._generation:
                # Another file since: it knows of nobody's calls, and must know of what they used.
                for account in taken.accounts:
                    charge(words, self._page_of(account, moment) * PAGE, tokens, cost, bucket, day)
                return
            for page in taken.pages:
                start = page * PAGE
                charge(words, start, tokens, cost, bucket, day)
                release(words, start, taken.tokens, taken.cost)
            words[taken.record] = 0
            self._free.append(taken.record)

    def look(self, moment: Moment) -> int:
        """Ends the calls of workers that are dead, and follows the file where it was replaced. To be called now and
        then. Returns how many calls were ended."""
        if self._region.follow():
            self._begin_anew()
        ended = 0
        with self._region:
            words = self._region.see(self._region.pages - 1)
            for page in range(1, self._region.pages):
                if words[page * PAGE] == at.CALLS and page not in self._mine and self._region.claim(page):
                    ended += end_calls(words, page, moment)
                    self._region.disclaim(page)
        return ended

    def used(self, account: Account, moment: Moment) -> dict[str, int]:
        """What is used up of each cap now; an account that nobody has used yet is as the ledger has it."""
        with self._region:
            self._find_new()
            page = self._pages.get(account.mark)
            if page is None:
                spent = account.spent
                known = (0, 0, 0, spent.day_tokens, spent.month_tokens, spent.day_cost, spent.month_cost)
                return dict(zip(COUNTED, known, strict=True))
            words = self._region.words
            know_at_least(words, page * PAGE, account.spent, moment)
            bring(words, page * PAGE, bucket_at(moment.seconds), moment.day)
            return dict(zip(COUNTED, counted(words, page * PAGE), strict=True))

    def close(self) -> None:
        self._region.close()

    def _begin_anew(self) -> None:
        for page in self._mine:
            self._region.disclaim(page)
        self._pages, self._seen, self._seeded = {}, 0, {}
        self._free, self._mine = [], set()
        self._generation = self._region.generation

    def _page_of(self, account: Account, moment: Moment) -> int:
        page = self._pages.get(account.mark)
        if page is None:
            page = self._find(account.mark)
        if self._seeded.get(account.mark) is not account.spent:
            self._seeded[account.mark] = account.spent
            know_at_least(self._region.words, page * PAGE, account.spent, moment)
        return page

    def _find(self, mark: bytes) -> int:
        """The account's page; a new one where there is none."""
        self._find_new()
        if mark not in self._pages:
            page = self._region.new_page(at.ACCOUNT)
            start = page * PAGE
            words = self._region.words
            words[start + at.MARK], words[start + at.MARK + 1] = struct.unpack("<qq", mark)
            self._pages[mark] = page
        return self._pages[mark]

    def _find_new(self) -> None:
        """The pages that other workers have made since."""
        pages = self._region.pages
        words = self._region.see(pages - 1)
        for page in range(max(1, self._seen), pages):
            start = page * PAGE
            if words[start] == at.ACCOUNT:
                self._pages[struct.pack("<qq", words[start + at.MARK], words[start + at.MARK + 1])] = page
        self._seen = pages

    def _record(self, pages: tuple[int, ...], tokens: int, cost: int) -> int:
        """Writes down whose call is under way, before it is counted anywhere."""
        if not self._free:
            self._claim_a_page()
        record = self._free.pop()
        words = self._region.words
        words[record + 1] = cost
        for place, page in enumerate(pages, record + 2):
            words[place] = page
        for place in range(record + 2 + len(pages), record + at.RECORD):
            words[place] = 0
        words[record] = tokens + 1
        return record

    def _claim_a_page(self) -> None:
        """One that a dead worker left empty, or a new one."""
        words = self._region.see(self._region.pages - 1)
        for page in range(1, self._region.pages):
            if words[page * PAGE] == at.CALLS and page not in self._mine and self._region.claim(page):
                if not any(words[page * PAGE + at.RECORD : (page + 1) * PAGE : at.RECORD]):
                    break
                self._region.disclaim(page)
        else:
            page = self._region.new_page(at.CALLS)
            self._region.claim(page)
        self._mine.add(page)
        self._free = list(range((page + 1) * PAGE - at.RECORD, page * PAGE, -at.RECORD))
