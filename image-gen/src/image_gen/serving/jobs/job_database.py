"""The file of the jobs: SQLite with a write-ahead log, synced at each commit, for this user alone.

Comes in: jobs. Goes out: jobs. Must not: be called on the event loop, or hide that a disk is full or damaged: it raises
JOBS_UNAVAILABLE or JOBS_STORAGE_FULL.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Final

from image_gen.errors import JobsStorageFullError, JobsUnavailableError
from image_gen.serving.jobs.job import Job

_COLUMNS: Final = tuple(each.name for each in fields(Job) if each.name != "result")
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_VERSION: Final = 1
_SCHEMA: Final = """
create table jobs (
  number integer primary key autoincrement, id text not null unique, key text not null, body text not null,
  created real not null, reserved integer not null, idempotency_key text, fingerprint text not null, webhook_url text,
  status text not null, started real, ended real, expires real, runs integer not null, error text,
  unique (key, idempotency_key)
);
create index jobs_by_status on jobs (status);
create table results (id text primary key references jobs (id) on delete cascade, body blob not null);
"""
# In files of earlier versions, too, which stay readable.
_PICTURES: Final = """
create table if not exists pictures (
  name text primary key, size integer not null, body blob not null, expires real not null
);
create index if not exists pictures_by_expiry on pictures (expires);
"""


class JobDatabase:
    """`folder` is None for jobs in memory alone. `note` is what happened to an earlier file, if anything did."""

    def __init__(self, folder: Path | None) -> None:
        self.note = ""
        self._file = None if folder is None else folder / "jobs.sqlite"
        with self._faults():
            try:
                self._connection = self._open()
            except sqlite3.DatabaseError as error:
                if self._file is None or _code(error) not in _DAMAGED:
                    raise
                self.note = f"The file of the jobs was damaged, and is kept as {self._set_aside(self._file)}."
                self._connection = self._open()

    def close(self) -> None:
        """Writes the log back into the file."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def add(self, job: Job) -> None:
        """A job is on disk when this returns."""
        values = ", ".join(f":{name}" for name in _COLUMNS)
        self._run(f"insert into jobs ({', '.join(_COLUMNS)}) values ({values})", _values(job))  # noqa: S608 - our names

    def save(self, job: Job) -> None:
        """The job's new state, with its result if there is one, in one commit."""
        sets = ", ".join(f"{name} = :{name}" for name in _COLUMNS if name != "id")
        with self._faults(), self._connection as transaction:
            transaction.execute(f"update jobs set {sets} where id = :id", _values(job))  # noqa: S608 - our names
            if job.result is not None:
                transaction.execute("insert or replace into results values (?, ?)", (job.id, job.result))

    def get(self, job_id: str) -> Job | None:
        """One job, with its result."""
        with self._faults():
            found = self._find("where id = ?", job_id)
            for job in found:
                row = self._connection.execute("select body from results where id = ?", (job_id,)).fetchone()
                job.result = None if row is None else row[0]
        return next(iter(found), None)

    def with_idempotency_key(self, key: str, idempotency_key: str) -> Job | None:
        """The job that the same key was used for before."""
        with self._faults():
            return next(iter(self._find("where key = ? and idempotency_key = ?", key, idempotency_key)), None)

    def unfinished(self) -> list[Job]:
        """In the order in which they came."""
        with self._faults():
            return self._find("where status in ('queued', 'running') order by number")

    def not_delivered(self) -> list[Job]:
        """Those that have ended, and whose webhook has not been called."""
        with self._faults():
            return self._find("where status not in ('queued', 'running') and webhook_url is not null order by number")

    def delivered(self, job_id: str) -> None:
        """The address is not kept any longer."""
        self._run("update jobs set webhook_url = null where id = ?", (job_id,))

    def counts(self) -> tuple[int, int]:
        """How many jobs are not done, and how many bytes all take or may take."""
        with self._faults():
            row = self._connection.execute(
                "select count(*) filter (where status in ('queued', 'running')), coalesce(sum(reserved), 0) "
                "+ (select coalesce(sum(size), 0) from pictures) from jobs"
            ).fetchone()
        return int(row[0]), int(row[1])

    def next_expiry(self) -> float | None:
        """When the next job or picture expires."""
        with self._faults():
            row = self._connection.execute(
                "select min(expires) from (select expires from jobs union all select expires from pictures)"
            ).fetchone()
        return None if row[0] is None else float(row[0])

    def delete(self, job_id: str) -> None:
        """Nothing of it is left in the file."""
        self._run("delete from jobs where id = ?", (job_id,))
        self._give_back()

    def delete_expired(self, now: float) -> int:
        """How many were deleted."""
        count = sum(self._run(f"delete from {table} where expires <= ?", (now,)) for table in ("jobs", "pictures"))  # noqa: S608 - our names
        if count:
            self._give_back()
        return count

    def add_pictures(self, pictures: Mapping[str, bytes], expires: float) -> None:
        """All of them are on disk when this returns, or none."""
        rows = [(name, len(data), data, expires) for name, data in pictures.items()]
        with self._faults(), self._connection as transaction:
            transaction.executemany("insert into pictures values (?, ?, ?, ?)", rows)

    def picture(self, name: str, now: float) -> tuple[bytes, float] | None:
        """A picture that has not expired, and when it does."""
        with self._faults():
            found: tuple[bytes, float] | None = self._connection.execute(
                "select body, expires from pictures where name = ? and expires > ?", (name, now)
            ).fetchone()
        return found

    def _give_back(self) -> None:
        """Prompts must not stay in the log, nor the room be lost."""
        with self._faults():
            self._connection.execute("pragma incremental_vacuum").fetchall()
            self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()

    def _open(self) -> sqlite3.Connection:
        if self._file is not None:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The log beside it gets the same mode from SQLite.
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            self._file.chmod(0o600)
        connection = sqlite3.connect(self._file or ":memory:", timeout=1, check_same_thread=False)
        try:
            # Another service on the same volume must not make the same pictures; there is no memory to share either.
            for setting in (
                "locking_mode = exclusive", "auto_vacuum = incremental", "journal_mode = wal", "synchronous = full",
                "secure_delete = on", "foreign_keys = on",
            ):  # fmt: skip
                connection.execute(f"pragma {setting}").fetchall()
            version = connection.execute("pragma user_version").fetchone()[0]
            if version == 0:
                connection.executescript(f"begin exclusive; {_SCHEMA} pragma user_version = {_VERSION}; commit;")
            elif version != _VERSION:
                raise JobsUnavailableError(f"{self._file} is of another version of this service.", retryable=False)
            if connection.execute("pragma quick_check(1)").fetchone()[0] != "ok":
                error = sqlite3.DatabaseError("damaged")
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
            connection.executescript(f"begin; {_PICTURES} commit;")
            with connection:
                connection.execute("update jobs set status = 'queued' where status = 'running'")
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _set_aside(file: Path) -> Path:
        aside = file.with_name("jobs.damaged.sqlite")
        file.replace(aside)
        for end in ("-wal", "-shm"):
            file.with_name(file.name + end).unlink(missing_ok=True)
        return aside

    def _run(self, statement: str, values: Mapping[str, object] | tuple[object, ...]) -> int:
        with self._faults(), self._connection as transaction:
            return transaction.execute(statement, values).rowcount

    def _find(self, condition: str, *values: object) -> list[Job]:
        statement = f"select {', '.join(_COLUMNS)} from jobs {condition}"  # noqa: S608 - our names
        return [Job(*row) for row in self._connection.execute(statement, values)]

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """What a disk does, as an error for the client and a line for the log."""
        try:
            yield
        except OSError as error:
            why = error.strerror or str(error)
            raise JobsUnavailableError(f"{self._file} can't be opened: {why}.") from error
        except sqlite3.Error as error:
            if _code(error) == sqlite3.SQLITE_FULL:
                raise JobsStorageFullError("The disk of the jobs is full.") from error
            why = "another service has it" if _code(error) in _BUSY else str(error)
            raise JobsUnavailableError(f"{self._file or 'The memory of jobs'} can't be used: {why}.") from error


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _values(job: Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in _COLUMNS}
