"""What `--server` speaks to: the coordinator's messages, the store's files and its rows, over HTTP.

``routes`` has the addresses; ``relay`` carries a message on to the process that holds the store; ``scopes``
says which key may ask for what; ``rows`` runs the queries of readers, on connections that can only read, and
``postgres_rows`` those on a store in Postgres.
"""
