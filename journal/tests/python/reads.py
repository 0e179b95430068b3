"""Reads a journal with bubus and says, for each line, what its own text of the event would be."""

import sys
from datetime import datetime

from bubus import BaseEvent


class Login(BaseEvent):
    name: str
    tags: list[str]
    at: datetime | None
    ratio: float


class Audit(BaseEvent):
    of: str


TYPES = {'Login': Login, 'Audit': Audit}

with open(sys.argv[1], encoding='utf-8') as lines:
    for line in lines:
        event = BaseEvent.model_validate_json(line)
        event = TYPES[event.event_type].model_validate_json(line)
        print(event.model_dump_json())
