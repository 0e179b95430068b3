"""Writes a journal with bubus: nested events, a failing handler, types of all kinds."""

import asyncio
import sys
from datetime import UTC, datetime

from bubus import BaseEvent, EventBus


class Login(BaseEvent):
    name: str
    tags: list[str] = []
    at: datetime | None = None
    ratio: float = 1.5


class Audit(BaseEvent):
    event_timeout: float | None = None
    of: str
    nested: dict[str, list[int | None]] = {}


async def main(path: str) -> None:
    bus = EventBus(name='Main', wal_path=path)

    async def on_login(event: Login) -> str:
        await bus.dispatch(Audit(of=event.event_id, nested={'ä "b"\n': [1, None]}))
        return 'ok'

    async def on_audit(event: Audit) -> None:
        raise ValueError('no')

    bus.on('Login', on_login)
    bus.on('Audit', on_audit)
    for number in range(5):
        await bus.dispatch(Login(name=f'user {number}', tags=['x'], at=datetime.now(UTC)))
    await bus.wait_until_idle()
    await bus.stop()


asyncio.run(main(sys.argv[1]))
