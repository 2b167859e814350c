"""The statements that make each version of the store out of the one before, as they were when it came out.

These never change: a store of version 1 is still made by them, in the tests, and then brought up to date.
"""

from __future__ import annotations

VERSION_1 = (
    """
    CREATE TABLE sweeps (
        id TEXT NOT NULL,
        "key" TEXT NOT NULL,
        name TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT NOT NULL,
        spec TEXT NOT NULL,
        source TEXT NOT NULL,
        workdir TEXT NOT NULL,
        seed INTEGER NOT NULL,
        run_cap INTEGER,
        n_forgiven INTEGER NOT NULL,
        created_at FLOAT NOT NULL,
        ended_at FLOAT,
        PRIMARY KEY (id),
        UNIQUE ("key")
    )
    """,
    """
    CREATE TABLE agents (
        id TEXT NOT NULL,
        sweep_id TEXT NOT NULL,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        born TEXT NOT NULL,
        started_at FLOAT NOT NULL,
        PRIMARY KEY (id),
        FOREIGN KEY(sweep_id) REFERENCES sweeps (id)
    )
    """,
    """
    CREATE TABLE runs (
        id TEXT NOT NULL,
        sweep_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        config TEXT NOT NULL,
        origin TEXT NOT NULL,
        score FLOAT,
        exit_code INTEGER,
        token INTEGER NOT NULL,
        lost INTEGER NOT NULL,
        agent_id TEXT,
        lease_key TEXT,
        stop TEXT NOT NULL,
        summary TEXT NOT NULL,
        created_at FLOAT NOT NULL,
        started_at FLOAT,
        ended_at FLOAT,
        PRIMARY KEY (id),
        UNIQUE (sweep_id, number),
        FOREIGN KEY(sweep_id) REFERENCES sweeps (id)
    )
    """,
    """
    CREATE TABLE artifacts (
        run_id TEXT NOT NULL,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        digest TEXT NOT NULL,
        n_bytes INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        at FLOAT NOT NULL,
        PRIMARY KEY (run_id, name),
        FOREIGN KEY(run_id) REFERENCES runs (id)
    )
    """,
    """
    CREATE TABLE console (
        run_id TEXT NOT NULL,
        token INTEGER NOT NULL,
        first_line INTEGER NOT NULL,
        text TEXT NOT NULL,
        at FLOAT NOT NULL,
        PRIMARY KEY (run_id, token, first_line),
        FOREIGN KEY(run_id) REFERENCES runs (id)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE looks (
        id TEXT NOT NULL,
        sweep_id TEXT NOT NULL,
        run_id TEXT NOT NULL,
        who TEXT NOT NULL,
        at FLOAT NOT NULL,
        result TEXT,
        PRIMARY KEY (id),
        FOREIGN KEY(sweep_id) REFERENCES sweeps (id),
        FOREIGN KEY(run_id) REFERENCES runs (id)
    )
    """,
    """
    CREATE TABLE reports (
        run_id TEXT NOT NULL,
        token INTEGER NOT NULL,
        step INTEGER NOT NULL,
        metrics TEXT NOT NULL,
        has_metric BOOLEAN NOT NULL,
        value FLOAT,
        at FLOAT NOT NULL,
        PRIMARY KEY (run_id, token, step),
        FOREIGN KEY(run_id) REFERENCES runs (id)
    ) WITHOUT ROWID
    """,
)

VERSION_2 = (
    "ALTER TABLE sweeps ADD COLUMN max_failures INTEGER",
    "ALTER TABLE sweeps ADD COLUMN time_cap_s FLOAT",
    "ALTER TABLE sweeps ADD COLUMN elapsed_s FLOAT NOT NULL DEFAULT 0",
    "ALTER TABLE sweeps ADD COLUMN note TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE sweeps ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE sweeps ADD COLUMN deleted_at FLOAT",
    "ALTER TABLE runs ADD COLUMN parent INTEGER",
    'ALTER TABLE runs ADD COLUMN "key" TEXT',
    "ALTER TABLE runs ADD COLUMN scores TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE runs ADD COLUMN violation FLOAT NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN is_canceled BOOLEAN NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN checkpoint TEXT",
    "ALTER TABLE runs ADD COLUMN resumed TEXT",
    "ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE runs ADD COLUMN deleted_at FLOAT",
    "ALTER TABLE runs ADD COLUMN repeat INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN repeat_of INTEGER",
    "CREATE INDEX runs_by_state ON runs (sweep_id, state, deleted_at)",
    'CREATE UNIQUE INDEX runs_by_key ON runs (sweep_id, "key")',
)

VERSION_3 = ("ALTER TABLE runs ADD COLUMN cost FLOAT",)

VERSION_4 = ("ALTER TABLE runs ADD COLUMN fidelity FLOAT",)

VERSION_5 = (
    """
    CREATE TABLE collections (
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        created_at FLOAT NOT NULL,
        PRIMARY KEY (name)
    )
    """,
    """
    CREATE TABLE versions (
        collection TEXT NOT NULL,
        version INTEGER NOT NULL,
        digest TEXT NOT NULL,
        files TEXT NOT NULL,
        record TEXT NOT NULL,
        figures TEXT NOT NULL,
        run_id TEXT,
        author TEXT NOT NULL,
        created_at FLOAT NOT NULL,
        deleted_at FLOAT,
        PRIMARY KEY (collection, version),
        FOREIGN KEY(collection) REFERENCES collections (name)
    )
    """,
    """
    CREATE TABLE aliases (
        collection TEXT NOT NULL,
        alias TEXT NOT NULL,
        version INTEGER NOT NULL,
        who TEXT NOT NULL,
        at FLOAT NOT NULL,
        PRIMARY KEY (collection, alias),
        FOREIGN KEY(collection) REFERENCES collections (name)
    )
    """,
    """
    CREATE TABLE audit (
        seq INTEGER NOT NULL,
        at FLOAT NOT NULL,
        who TEXT NOT NULL,
        action TEXT NOT NULL,
        collection TEXT NOT NULL,
        details TEXT NOT NULL,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL,
        PRIMARY KEY (seq)
    )
    """,
    "CREATE INDEX versions_by_digest ON versions (collection, digest)",
    "CREATE INDEX audit_by_collection ON audit (collection, seq)",
)

# what leads here runs with foreign keys off: the table that others refer to is made anew
VERSION_6 = (
    "ALTER TABLE sweeps ADD COLUMN project TEXT NOT NULL DEFAULT ''",
    """
    CREATE TABLE new_runs (
        id TEXT NOT NULL,
        sweep_id TEXT,
        number INTEGER,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        config TEXT NOT NULL,
        origin TEXT NOT NULL,
        score FLOAT,
        exit_code INTEGER,
        token INTEGER NOT NULL,
        lost INTEGER NOT NULL,
        agent_id TEXT,
        lease_key TEXT,
        stop TEXT NOT NULL,
        summary TEXT NOT NULL,
        created_at FLOAT NOT NULL,
        started_at FLOAT,
        ended_at FLOAT,
        parent INTEGER,
        "key" TEXT,
        scores TEXT NOT NULL DEFAULT '[]',
        violation FLOAT NOT NULL DEFAULT 0,
        is_canceled BOOLEAN NOT NULL DEFAULT 0,
        checkpoint TEXT,
        resumed TEXT,
        note TEXT NOT NULL DEFAULT '',
        tags TEXT NOT NULL DEFAULT '[]',
        deleted_at FLOAT,
        repeat INTEGER NOT NULL DEFAULT 0,
        repeat_of INTEGER,
        cost FLOAT,
        fidelity FLOAT,
        project TEXT NOT NULL DEFAULT '',
        group_name TEXT NOT NULL DEFAULT '',
        job_type TEXT NOT NULL DEFAULT '',
        display_name TEXT NOT NULL DEFAULT '',
        program_config TEXT NOT NULL DEFAULT '{}',
        pid INTEGER,
        born TEXT,
        heartbeat_at FLOAT,
        n_lines INTEGER NOT NULL DEFAULT 0,
        history_token INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (id),
        UNIQUE (sweep_id, number),
        FOREIGN KEY(sweep_id) REFERENCES sweeps (id)
    )
    """,
    """
    INSERT INTO new_runs (
        id, sweep_id, number, state, reason, config, origin, score, exit_code, token, lost, agent_id,
        lease_key, stop, summary, created_at, started_at, ended_at, parent, "key", scores, violation,
        is_canceled, checkpoint, resumed, note, tags, deleted_at, repeat, repeat_of, cost, fidelity
    ) SELECT
        id, sweep_id, number, state, reason, config, origin, score, exit_code, token, lost, agent_id,
        lease_key, stop, summary, created_at, started_at, ended_at, parent, "key", scores, violation,
        is_canceled, checkpoint, resumed, note, tags, deleted_at, repeat, repeat_of, cost, fidelity
    FROM runs
    """,
    "DROP TABLE runs",
    "ALTER TABLE new_runs RENAME TO runs",
    "CREATE INDEX runs_by_state ON runs (sweep_id, state, deleted_at)",
    'CREATE UNIQUE INDEX runs_by_key ON runs (sweep_id, "key")',
    "CREATE INDEX runs_by_project ON runs (project, created_at)",
    """
    CREATE TABLE history (
        run_id TEXT NOT NULL,
        token INTEGER NOT NULL,
        line INTEGER NOT NULL,
        step INTEGER NOT NULL,
        metrics TEXT NOT NULL,
        at FLOAT NOT NULL,
        PRIMARY KEY (run_id, token, line),
        FOREIGN KEY(run_id) REFERENCES runs (id)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE last_values (
        run_id TEXT NOT NULL,
        name TEXT NOT NULL,
        step INTEGER NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (run_id, name),
        FOREIGN KEY(run_id) REFERENCES runs (id)
    ) WITHOUT ROWID
    """,
)

COUNT_REPORTS = """
    UPDATE runs SET
        n_reports = (SELECT COUNT(*) FROM reports p WHERE p.run_id = runs.id AND p.token = runs.token),
        n_scored = (
            SELECT COUNT(*) FROM reports p WHERE p.run_id = runs.id AND p.token = runs.token AND p.has_metric
        )
"""

VERSION_7 = (
    "ALTER TABLE runs ADD COLUMN n_reports INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN n_scored INTEGER NOT NULL DEFAULT 0",
    COUNT_REPORTS,
)

VERSION_8 = (
    """
    CREATE TABLE machine_metrics (
        run_id TEXT NOT NULL,
        token INTEGER NOT NULL,
        line INTEGER NOT NULL,
        metrics TEXT NOT NULL,
        at FLOAT NOT NULL,
        PRIMARY KEY (run_id, token, line),
        FOREIGN KEY(run_id) REFERENCES runs (id)
    ) WITHOUT ROWID
    """,
)

VERSION_9 = (
    """
    CREATE TABLE project_limits (
        project TEXT NOT NULL,
        runs_at_once INTEGER,
        runs INTEGER,
        n_bytes INTEGER,
        PRIMARY KEY (project)
    )
    """,
)

NAME_CAUSES = (
    """
    UPDATE sweeps SET cause = 'time_cap'
    WHERE status = 'stopped' AND substr(reason, 1, 13) = 'the time cap '
    """,
    "UPDATE runs SET cause = 'no_metric' WHERE state = 'failed' AND exit_code = 0 AND sweep_id IS NOT NULL",
    """
    UPDATE runs SET cause = 'out_of_memory'
    WHERE state = 'finished' AND exit_code <> 0 AND sweep_id IS NOT NULL
    """,
)

VERSION_10 = (
    "ALTER TABLE sweeps ADD COLUMN cause TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE runs ADD COLUMN cause TEXT NOT NULL DEFAULT ''",
    *NAME_CAUSES,
)
