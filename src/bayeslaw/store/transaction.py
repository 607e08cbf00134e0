"""One stroke: everything written in it is kept, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from bayeslaw.errors import InvalidInputError, NotFoundError, StateError
from bayeslaw.store import rows, schema
from bayeslaw.store.change import Change
from bayeslaw.store.reading import Reader
from bayeslaw.store.records import Answer, Event, Operation, StoredStudy, Token

_ANSWER = select(schema.answers).where(
    schema.answers.c.token_id == bindparam("token"), schema.answers.c.key == bindparam("key")
)
_REMEMBER = insert(schema.answers)


class Transaction:
    """Write to a store; got from `Store.transaction`, and gone with its block."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changes: dict[str, Change] = {}
        self._answers: dict[tuple[str, str], tuple[Answer, float]] = {}
        self._reader = Reader(connection)

    @property
    def reader(self) -> Reader:
        """Questions, answered with what was written here so far."""
        self.finish()
        return self._reader

    @contextmanager
    def part(self) -> Iterator[Transaction]:
        """Do something that is undone alone when it fails; the rest of the transaction stands."""
        self.finish()  # or it would be undone with the part
        try:
            with self._connection.begin_nested():
                yield self
                self.finish()
        except BaseException:
            self._answers.clear()
            for change in self._changes.values():
                change.forget()
            raise

    def finish(self) -> None:
        """Write what was put off; the store calls this before it commits."""
        for change in self._changes.values():
            change.finish()
        if self._answers:
            values = [
                {"token_id": token_id, "key": key, "at": at, **asdict(answer)}
                for (token_id, key), (answer, at) in self._answers.items()
            ]
            self._connection.execute(_REMEMBER, values)
            self._answers.clear()

    # Studies.

    def create_study(self, study_id: str, config: Mapping[str, Any], *, at: float) -> StoredStudy:
        """Begin a study, with an event ``study_created``.

        Raises:
            StateError: A study of that name exists.
            InvalidInputError: The name is empty or the config is not JSON.
        """
        if not study_id:
            raise InvalidInputError("a study needs a name, got an empty one")
        values = {
            "config": rows.checked_json(config, f"the config of study {study_id!r}"),
            "created_at": at,
            "state": "active",
            "version": 1,
        }
        table = schema.studies
        if self._connection.execute(select(table).where(table.c.study_id == study_id)).first():
            raise StateError(f"a study {study_id!r} exists already; open it, or name another")
        self._connection.execute(insert(table).values(study_id=study_id, **values))
        event = Event("study_created", at)
        self.change(study_id).record(event, ("studies", study_id, values))
        return self.reader.study(study_id)

    def change(self, study_id: str) -> Change:
        """Lock a study until this transaction ends, and return it to be changed.

        Events become visible in the order of their numbers, because a study has one writer at a
        time; SQLite has one anyway.

        Raises:
            NotFoundError: No such study.
        """
        if study_id not in self._changes:
            self._changes[study_id] = Change(self._connection, study_id)
        return self._changes[study_id]

    # Operations.

    def add_operation(self, operation: Operation) -> None:
        """Keep something that was asked for, until a planner answers it."""
        values = asdict(operation)
        del values["position"]
        rows.checked_json(values["request"], "the request of an operation")
        self._connection.execute(insert(schema.operations).values(**values))

    def try_operation(self, operation_id: str) -> int:
        """Count that a planner takes an operation up, and return how often that is now."""
        n_tries = self._reader.operation(operation_id).n_tries + 1
        self._update_operation(operation_id, n_tries=n_tries)
        return n_tries

    def finish_operation(
        self,
        operation_id: str,
        *,
        result: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
        at: float,
    ) -> bool:
        """End an operation with its result or its error; False when it has ended already."""
        if (result is None) == (error is None):
            raise InvalidInputError("an operation ends with a result or with an error, not both")
        if self._reader.operation(operation_id).status != "pending":
            return False
        self._update_operation(
            operation_id,
            status="failed" if result is None else "done",
            result=rows.checked_json(result, "the result of an operation"),
            error=rows.checked_json(error, "the error of an operation"),
            finished_at=at,
        )
        return True

    # Answers.

    def answer(self, token_id: str, key: str) -> Answer | None:
        """Return what was answered under that key before; None when nothing was."""
        if (token_id, key) in self._answers:
            return self._answers[token_id, key][0]
        row = self._connection.execute(_ANSWER, {"token": token_id, "key": key}).first()
        return None if row is None else Answer(row.fingerprint, row.status, row.headers, row.body)

    def remember(self, token_id: str, key: str, answer: Answer, *, at: float) -> None:
        """Keep an answer, to be given again.

        Raises:
            StateError: Something was answered under that key before.
        """
        if self.answer(token_id, key) is not None:
            raise StateError(f"the key {key!r} was answered before")
        self._answers[token_id, key] = answer, at

    def forget_answers(self, before: float) -> int:
        """Remove answers older than that moment [s since 1970] and return how many."""
        table = schema.answers
        return self._connection.execute(delete(table).where(table.c.at < before)).rowcount

    # Tokens.

    def token(self, token_id: str) -> Token:
        """Lock a token until this transaction ends, and return it.

        Raises:
            NotFoundError: No such token.
        """
        table = schema.tokens
        query = select(table).where(table.c.token_id == token_id).with_for_update()
        row = self._connection.execute(query).first()
        if row is None:
            raise NotFoundError(f"no token {token_id!r}")
        return rows.to_token(row)

    def put_token(self, token: Token) -> None:
        """Keep a token, new or changed."""
        table = schema.tokens
        values = {**asdict(token), "scopes": list(token.scopes)}
        here = table.c.token_id == token.token_id
        if self._connection.execute(update(table).where(here).values(**values)).rowcount == 0:
            self._connection.execute(insert(table).values(**values))

    def _update_operation(self, operation_id: str, **values: Any) -> None:
        table = schema.operations
        here = table.c.operation_id == operation_id
        self._connection.execute(update(table).where(here).values(**values))
