"""The users of `docker/demo.sh lanes`: calls to the gateway, several at a time.

Reads a job from standard input, {"url", "calls": [[user, {header: value}], ...], "repeat"}, makes
each call once (with "repeat": in turn, until standard input ends), and prints how many calls got
which status.
"""

import collections
import http.client
import itertools
import json
import sys
import threading
import urllib.parse

AT_ONCE = 6


class Users:
    def __init__(self, job):
        self.host = urllib.parse.urlsplit(job["url"]).netloc
        calls = [(user, headers) for user, headers in job["calls"]]
        self.calls = itertools.cycle(calls) if job["repeat"] else iter(calls)
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.codes = collections.Counter()

    def next_call(self):
        with self.lock:
            return None if self.over.is_set() else next(self.calls, None)

    def run(self):
        connection = http.client.HTTPConnection(self.host, timeout=20)
        while (call := self.next_call()) is not None:
            user, headers = call
            try:
                connection.request("GET", "/", headers={"x-user": user, **headers})
                response = connection.getresponse()
                response.read()
                code = str(response.status)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                code = repr(error)
            with self.lock:
                self.codes[code] += 1
        connection.close()

    def run_all(self):
        threads = [threading.Thread(target=self.run) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        return threads


def main():
    job = json.loads(sys.stdin.readline())
    users = Users(job)
    threads = users.run_all()
    if job["repeat"]:
        sys.stdin.read()
        users.over.set()
    for thread in threads:
        thread.join()
    print(json.dumps(users.codes))


if __name__ == "__main__":
    main()
