"""Reading the texts of GraphQL requests."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import graphql

from sharpen.server.wandb import execution


def test_a_text_that_many_send_at_the_same_instant_is_read_once(monkeypatch):
    begun, another = [], Event()

    def parse(text, **more):
        begun.append(text)
        if len(begun) > 1:
            another.set()
        another.wait(0.2)  # ends at once where a second thread reads the same text
        return graphql.parse(text, **more)

    monkeypatch.setattr(execution, "parse", parse)
    text = "{ viewer { id username entity } }  # asked by nobody else"
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(execution.read, [text] * 8))
    assert begun == [text]
    assert all(document is found[0] for document in found)
