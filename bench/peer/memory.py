#!/usr/bin/python3
"""Memory of connections before and after they have scored, from /proc/PID/smaps_rollup.

  bench/peer/memory.py CONNECTIONS      prints lines "name value", kB per connection
"""
import statistics
import sys

import psycopg2


def memory(pid):
    private = shared = pss = 0
    for line in open("/proc/%d/smaps_rollup" % pid):
        name, _, rest = line.partition(":")
        if name.startswith("Private_"):
            private += int(rest.split()[0])
        elif name.startswith("Shared_"):
            shared += int(rest.split()[0])
        elif name == "Pss":
            pss = int(rest.split()[0])
    return private, shared, pss


def measure(name, pids):
    found = [memory(pid) for pid in pids]
    for part, values in zip(("private", "shared", "pss"), zip(*found)):
        print("%s_%s %.0f" % (name, part, statistics.mean(values)))


def main():
    cursors = []
    for _ in range(int(sys.argv[1])):
        connection = psycopg2.connect("")
        connection.autocommit = True
        cursors.append(connection.cursor())
    pids = []
    for cursor in cursors:
        cursor.execute("SELECT pg_backend_pid(), count(*) FROM pg_class, pg_proc WHERE relname = proname")
        pids.append(cursor.fetchone()[0])
    measure("before", pids)
    for cursor in cursors:
        cursor.execute("SELECT emotion_scores(text) FROM goemotions WHERE split = 'dev' LIMIT 200")
        cursor.fetchall()
    measure("after", pids)


main()
