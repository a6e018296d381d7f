"""Collects processes that ended without a parent, when this process is the first of its container.

Their parent was, say, a `docker exec` that was killed. Whoever is process 1 inherits them, and they stay as zombies
if it does not ask for their end. Own children are left to those who started them.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Final

_EVERY_SECONDS: Final = 5.0


async def reap_orphans(is_own: Callable[[int], bool]) -> None:
    """Runs until cancelled; returns at once in a process that is not the first."""
    while os.getpid() == 1:
        reap_once(is_own)
        await asyncio.sleep(_EVERY_SECONDS)


def reap_once(is_own: Callable[[int], bool]) -> int:
    """How many were collected. One of our own that has just ended hides those behind it, until it is collected by its
    owner.
    """
    count = 0
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return count
        if ended is None or is_own(ended.si_pid):
            return count
        os.waitpid(ended.si_pid, 0)
        count += 1
