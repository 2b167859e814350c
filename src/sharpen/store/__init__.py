"""The store: one folder with a SQLite database, and blobs named by their content.

``port`` has the verbs that a backend owes, ``backends`` names the backends; ``sqlite`` is one. ``sql_writer``
and ``statements`` are the verbs in SQL that each of them understands, ``schema`` the tables, ``queries`` the
reads; ``blobs`` keeps files. Only the coordinator writes to the database.
"""
