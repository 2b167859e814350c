"""The store: one folder with a SQLite database, and blobs named by their content.

``schema`` has the tables, ``database`` opens and migrates them, ``queries`` reads, ``blobs`` keeps files.
Only the coordinator writes to the database.
"""
