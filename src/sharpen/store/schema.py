"""The tables. Times are Unix seconds; JSON columns hold compact JSON text.

A change here needs a migration in :mod:`~sharpen.store.migrations`; a test compares the two.
"""

from __future__ import annotations

import sqlalchemy as sa

VERSION = 10
LARGEST = 2**63 - 1  # of SQLite's integers
COUNTS_FROM = "rows logged under earlier tokens do not count"

# as large as SQLite's integers, and compared by bytes, wherever the database is
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

metadata = sa.MetaData()

sweeps = sa.Table(
    "sweeps",
    metadata,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("key", TEXT, nullable=False, unique=True, comment="the request that made it"),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("status", TEXT, nullable=False),
    sa.Column("reason", TEXT, nullable=False, default=""),
    sa.Column("spec", TEXT, nullable=False, comment="the sweep file as written"),
    sa.Column("source", TEXT, nullable=False, comment="where the sweep file was"),
    sa.Column("workdir", TEXT, nullable=False, comment="the folder that programs run in; empty: the agent's"),
    sa.Column("seed", INTEGER, nullable=False),
    sa.Column("run_cap", INTEGER),
    sa.Column("n_forgiven", INTEGER, nullable=False, default=0, comment="runs ended when last reopened"),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("max_failures", INTEGER),
    sa.Column("time_cap_s", sa.Float),
    sa.Column("elapsed_s", sa.Float, nullable=False, server_default=sa.text("0"), comment="time at work"),
    sa.Column("note", TEXT, nullable=False, server_default=sa.text("''")),
    sa.Column("tags", TEXT, nullable=False, server_default=sa.text("'[]'"), comment="JSON, sorted"),
    sa.Column("deleted_at", sa.Float, comment="null unless it is hidden"),
    sa.Column("project", TEXT, nullable=False, server_default=sa.text("''")),
    sa.Column("cause", TEXT, nullable=False, server_default=sa.text("''"), comment="for decisions"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("sweep_id", TEXT, sa.ForeignKey("sweeps.id"), comment="null for a run of no sweep"),
    sa.Column("number", INTEGER, comment="its place in the sweep, from 1; null for a run of no sweep"),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("reason", TEXT, nullable=False, default=""),
    sa.Column("config", TEXT, nullable=False, comment="JSON, by dotted name: what the sweep chose"),
    sa.Column("origin", TEXT, nullable=False, default=""),
    sa.Column("score", sa.Float, comment="the metric as logged last; null when there is none"),
    sa.Column("exit_code", INTEGER),
    sa.Column("token", INTEGER, nullable=False, default=0, comment="leases so far"),
    sa.Column("lost", INTEGER, nullable=False, default=0, comment="leases lost to a crash"),
    sa.Column("agent_id", TEXT),
    sa.Column("lease_key", TEXT),
    sa.Column("stop", TEXT, nullable=False, default="", comment="why it was told to end"),
    sa.Column("summary", TEXT, nullable=False, default="{}"),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float),
    sa.Column("ended_at", sa.Float),
    sa.Column("parent", INTEGER, comment="number of the run that it continues, mutates or repeats"),
    sa.Column("key", TEXT, comment="the request that added it; null when the optimizer did"),
    sa.Column("scores", TEXT, nullable=False, server_default=sa.text("'[]'"), comment="JSON, as logged"),
    sa.Column("violation", sa.Float, nullable=False, server_default=sa.text("0")),
    sa.Column("is_canceled", sa.Boolean, nullable=False, server_default=sa.false(), comment="told to end"),
    sa.Column("checkpoint", TEXT, comment="JSON: digest and step of the newest"),
    sa.Column("resumed", TEXT, comment="JSON: the one that the newest lease began from"),
    sa.Column("note", TEXT, nullable=False, server_default=sa.text("''")),
    sa.Column("tags", TEXT, nullable=False, server_default=sa.text("'[]'"), comment="JSON, sorted"),
    sa.Column("deleted_at", sa.Float, comment="null unless it is hidden"),
    sa.Column("repeat", INTEGER, nullable=False, server_default=sa.text("0"), comment="says its seed"),
    sa.Column("repeat_of", INTEGER, comment="number of its configuration's first run; null for that one"),
    sa.Column("cost", sa.Float, comment="the cost metric as logged last; null when there is none"),
    sa.Column("fidelity", sa.Float, comment="how much is spent on it; null for the whole"),
    sa.Column("project", TEXT, nullable=False, server_default=sa.text("''")),
    sa.Column("group_name", TEXT, nullable=False, server_default=sa.text("''")),
    sa.Column("job_type", TEXT, nullable=False, server_default=sa.text("''")),
    sa.Column("display_name", TEXT, nullable=False, server_default=sa.text("''")),
    sa.Column("program_config", TEXT, nullable=False, server_default=sa.text("'{}'"), comment="JSON"),
    sa.Column("pid", INTEGER, comment="of the process that writes it without a lease"),
    sa.Column("born", TEXT, comment="tells that process from a later one of its pid"),
    sa.Column("heartbeat_at", sa.Float, comment="when whoever writes it without a lease was last heard of"),
    sa.Column("n_lines", INTEGER, nullable=False, server_default=sa.text("0"), comment="of its history"),
    sa.Column("history_token", INTEGER, nullable=False, server_default=sa.text("0"), comment=COUNTS_FROM),
    sa.Column(
        "n_reports", INTEGER, nullable=False, server_default=sa.text("0"), comment="of its newest lease"
    ),
    sa.Column(
        "n_scored", INTEGER, nullable=False, server_default=sa.text("0"), comment="those of the metric"
    ),
    sa.Column("cause", TEXT, nullable=False, server_default=sa.text("''"), comment="for decisions"),
    sa.UniqueConstraint("sweep_id", "number"),
    sa.Index("runs_by_state", "sweep_id", "state", "deleted_at"),
    sa.Index("runs_by_key", "sweep_id", "key", unique=True),
    sa.Index("runs_by_project", "project", "created_at"),
)

history = sa.Table(
    "history",
    metadata,
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("token", INTEGER, primary_key=True, comment="the lease or grant under which it was logged"),
    sa.Column("line", INTEGER, primary_key=True, comment="from 0; goes on from one grant to the next"),
    sa.Column("step", INTEGER, nullable=False),
    sa.Column("metrics", TEXT, nullable=False, comment="JSON"),
    sa.Column("at", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)

last_values = sa.Table(
    "last_values",
    metadata,
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("name", TEXT, primary_key=True, comment="of a metric"),
    sa.Column("step", INTEGER, nullable=False),
    sa.Column("value", TEXT, nullable=False, comment="JSON: as it was logged last"),
    sqlite_with_rowid=False,
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("token", INTEGER, primary_key=True, comment="the lease under which it was logged"),
    sa.Column("step", INTEGER, primary_key=True),
    sa.Column("metrics", TEXT, nullable=False),
    sa.Column("has_metric", sa.Boolean, nullable=False, comment="whether it counts for the trial"),
    sa.Column("value", sa.Float, comment="the sweep's metric as logged; null for not a number"),
    sa.Column("at", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)

owner: sa.ColumnElement[str] = sa.case((runs.c.sweep_id.is_(None), runs.c.project), else_=sweeps.c.project)
"""The project whose limits a run counts for: its sweep's, whatever label the run has."""

OWNED = runs.outerjoin(sweeps, sweeps.c.id == runs.c.sweep_id)
"""Runs with their sweeps, where there is one: what :data:`owner` is asked of."""

OF_NEWEST_LEASE = sa.and_(reports.c.run_id == runs.c.id, reports.c.token == runs.c.token)
"""Joins a run with its reports that count."""

console = sa.Table(
    "console",
    metadata,
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("token", INTEGER, primary_key=True),
    sa.Column("first_line", INTEGER, primary_key=True, comment="number of the first line, from 0"),
    sa.Column("text", TEXT, nullable=False, comment="whole lines"),
    sa.Column("at", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)

machine_metrics = sa.Table(
    "machine_metrics",
    metadata,
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("token", INTEGER, primary_key=True),
    sa.Column("line", INTEGER, primary_key=True, comment="from 0"),
    sa.Column("metrics", TEXT, nullable=False, comment="JSON: what the run's machine did at that time"),
    sa.Column("at", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("type", TEXT, nullable=False),
    sa.Column("digest", TEXT, nullable=False),
    sa.Column("n_bytes", INTEGER, nullable=False),
    sa.Column("metadata", TEXT, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("sweep_id", TEXT, sa.ForeignKey("sweeps.id"), nullable=False),
    sa.Column("host", TEXT, nullable=False),
    sa.Column("pid", INTEGER, nullable=False),
    sa.Column("born", TEXT, nullable=False, comment="tells this process from a later one of its pid"),
    sa.Column("started_at", sa.Float, nullable=False),
)

looks = sa.Table(
    "looks",
    metadata,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("sweep_id", TEXT, sa.ForeignKey("sweeps.id"), nullable=False),
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("who", TEXT, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("result", TEXT, comment="JSON; null when the look never came to an end"),
)

collections = sa.Table(
    "collections",
    metadata,
    sa.Column("name", TEXT, primary_key=True, comment="a model's; an artifact's has its project before it"),
    sa.Column("type", TEXT, nullable=False, comment="model, dataset, …"),
    sa.Column("created_at", sa.Float, nullable=False),
)

versions = sa.Table(
    "versions",
    metadata,
    sa.Column("collection", TEXT, sa.ForeignKey("collections.name"), primary_key=True),
    sa.Column("version", INTEGER, primary_key=True, comment="0, 1, …; never given twice"),
    sa.Column("digest", TEXT, nullable=False, comment="SHA-256 of files and record"),
    sa.Column("files", TEXT, nullable=False, comment="JSON: name, digest, n_bytes of each"),
    sa.Column("record", TEXT, nullable=False, comment="JSON: where it is from and how it decides"),
    sa.Column("figures", TEXT, nullable=False, comment="JSON: what was known when it was registered"),
    sa.Column("run_id", TEXT, comment="that made it; null for one from elsewhere"),
    sa.Column("author", TEXT, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("deleted_at", sa.Float, comment="null unless it is hidden"),
    sa.Index("versions_by_digest", "collection", "digest"),
)

aliases = sa.Table(
    "aliases",
    metadata,
    sa.Column("collection", TEXT, sa.ForeignKey("collections.name"), primary_key=True),
    sa.Column("alias", TEXT, primary_key=True),
    sa.Column("version", INTEGER, nullable=False),
    sa.Column("who", TEXT, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

project_limits = sa.Table(
    "project_limits",
    metadata,
    sa.Column("project", TEXT, primary_key=True),
    sa.Column("runs_at_once", INTEGER, comment="the most at work; null for any number"),
    sa.Column("runs", INTEGER, comment="the most that are ever made; null for any number"),
    sa.Column("n_bytes", INTEGER, comment="the most that their files may weigh; null for any"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", INTEGER, primary_key=True, autoincrement=False, comment="from 1"),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("who", TEXT, nullable=False),
    sa.Column("action", TEXT, nullable=False),
    sa.Column("collection", TEXT, nullable=False),
    sa.Column("details", TEXT, nullable=False, comment="JSON"),
    sa.Column("previous", TEXT, nullable=False, comment="hash of the entry before; empty for the first"),
    sa.Column("hash", TEXT, nullable=False, comment="SHA-256 of all the others"),
    sa.Index("audit_by_collection", "collection", "seq"),
)
