"""Requests without end over kept connections, from threads, while a test does something else."""

import dataclasses
import threading
import time

from client import build, wait_for


@dataclasses.dataclass
class Reply:
    sent: float  # both by time.monotonic()
    done: float
    status: int
    headers: list
    text: str


class Load:
    """connect() gives a client; rate: requests per second over all connections, None for as many as
    come back. Replies stand in the order of their end. A connection that closes or resets ends the
    load with an error, as nothing may disturb it.
    """

    def __init__(self, connect, headers=(), connections=1, rate=None):
        self.data = build("GET", "/", headers)
        self.pause = connections / rate if rate else 0
        self.replies, self.errors = [], []
        self.over = threading.Event()
        self.clients = [connect() for _ in range(connections)]
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(connections)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stop()
        assert kind or not self.errors, self.errors

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        for client in self.clients:
            client.close()

    def _run(self, index):
        client = self.clients[index]
        due = time.monotonic() + self.pause * index / len(self.clients)
        try:
            while not self.over.wait(max(0, due - time.monotonic())):
                due = max(due + self.pause, time.monotonic() - 1)
                self._one(client)
        except Exception as error:  # whatever it is, the test fails with it
            self.errors.append(error)

    def _one(self, client):
        sent = time.monotonic()
        client.send(self.data)
        response = client.response()
        end = time.monotonic()
        self.replies.append(Reply(sent, end, response.status, response.headers, response.text))

    def wait_more(self, count, seconds=20):
        """So many more replies from now."""
        wanted = len(self.replies) + count
        wait_for(lambda: len(self.replies) >= wanted or self.errors, f"{count} more replies", seconds)
        assert not self.errors, self.errors

    def per_second(self):
        return len(self.replies) / (self.replies[-1].done - self.replies[0].sent)

    def since(self, moment):
        """Replies to requests that were sent after it."""
        return [reply for reply in list(self.replies) if reply.sent >= moment]
