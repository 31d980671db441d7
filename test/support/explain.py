"""POST /explain for tests: asking, and the parts of the answer."""

import json
import re

from client import wait_for

# What moves by itself, with time or with the asking: of the server, and what a timer sums up.
MOVING = re.compile(r"server\.|filesystem\.|lane\.assoc\.|lane\..*\.in_cluster\.")


class Account:
    """An answer: result, and decisions by step."""

    def __init__(self, answer):
        self.answer = answer
        self.result = answer["result"]
        self.decisions = answer["decisions"]

    def steps(self, name):
        return [d for d in self.decisions if d["step"] == name]

    def step(self, name):
        """The only one of the name."""
        (found,) = self.steps(name)
        return found

    def order(self, *names):
        """The named steps, in the order in which they came."""
        return [d["step"] for d in self.decisions if d["step"] in names]


def post(proxy, body, query=""):
    """The raw response; body: text, or what becomes JSON."""
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return proxy.admin(f"/explain{query}", method="POST", body=text)


def explain(proxy, listener=None, **fields):
    if listener:
        fields["listener"] = listener
    response = post(proxy, {"authority": "test", **fields})
    assert response.status == 200, (response.status, response.text)
    assert response.headers["content-type"] == "application/json"
    return Account(json.loads(response.text))


def mistakes(proxy, body):
    """Path to mistake, of a body that is refused."""
    response = post(proxy, body)
    assert response.status == 400, (response.status, response.text)
    return {e["path"]: e["mistake"] for e in json.loads(response.text)["errors"]}


def quiet(*proxies):
    """Waits until no connection is left that could still be counted."""
    for proxy in proxies:
        wait_for(lambda p=proxy: not any(v for n, v in p.stats("cx_active").items()
                                         if not n.startswith("server.")), "no connection is left")


def counted(proxy):
    """Every stat but those that move by themselves."""
    return {n: v for n, v in proxy.stats().items() if not MOVING.match(n)}
