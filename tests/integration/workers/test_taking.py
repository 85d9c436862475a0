"""Drains are taken a few at a time, only if there are any, and none by a worker that is about to end."""

from __future__ import annotations

from typing import Any

from counterfoil.workflows.taking import TAKE_MAX, moderate


class Queue:
    name = "drains"


class Database:
    """The library's: ``waiting`` drains; ``asked``: how many it was asked for, each time."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.asked: list[int] = []
        self.engine = self

    def execution_options(self, **_options: str) -> Database:
        return self

    connect = execution_options

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def exec_driver_sql(self, _statement: str, _arguments: tuple[str, ...]) -> Database:
        return self

    def scalar(self) -> bool:
        return self.waiting > 0

    def start_queued_partitioned_workflows(self, _queue: Any, _worker: str, _version: str, max_tasks: int) -> list[str]:
        self.asked.append(max_tasks)
        return ["drain"] * min(max_tasks, self.waiting)


def taken(database: Any, max_tasks: int, *, is_taking: bool = True) -> int:
    moderate(database, lambda: is_taking)
    return len(database.start_queued_partitioned_workflows(Queue(), "w#1", "1", max_tasks))


def test_of_many_drains_four_are_taken_at_once_and_never_more_than_there_is_room_for() -> None:
    assert (TAKE_MAX, taken(Database(16), 32), taken(Database(16), 3)) == (4, 4, 3)


def test_the_library_is_not_asked_where_nothing_waits_or_nothing_is_to_be_taken() -> None:
    empty, full = Database(0), Database(16)
    assert (taken(empty, 32), taken(full, 32, is_taking=False), empty.asked, full.asked) == (0, 0, [], [])
