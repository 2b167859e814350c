"""Webhooks that tell people what happened: a promotion, a kill switch, the end of a sweep.

``events`` reads what is new from the store's own logs, so nothing that happens waits for a message.
``webhooks`` has who is told, from ``notifications.yaml``. ``outbox`` keeps messages on the disk until they
have been taken, and tries again.
"""
