#!/usr/bin/python3
"""One statement in a connection of its own: how long it takes, and the most memory that its process has meanwhile.

  bench/peer/watched.py NAME STATEMENT

Prints NAME_ms, NAME_private (of memory that is the process's own, looked at every few milliseconds) and
NAME_all (with shared buffers and files mapped; the kernel keeps the peak), kB.
"""
import sys
import threading
import time

import psycopg2


def kilobytes(pid, field):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field + ":"))


name, statement = sys.argv[1:]
connection = psycopg2.connect("")
connection.autocommit = True
cursor = connection.cursor()
pid = connection.get_backend_pid()
most, ended = 0, threading.Event()


def watch():
    global most
    while not ended.is_set():
        most = max(most, kilobytes(pid, "RssAnon"))
        time.sleep(0.005)


watcher = threading.Thread(target=watch, daemon=True)  # which ends with a statement that fails
watcher.start()
begin = time.perf_counter()
cursor.execute(statement)
took = time.perf_counter() - begin
ended.set()
watcher.join()
print(f"{name}_ms {1000 * took:.1f}\n{name}_private {most}\n{name}_all {kilobytes(pid, 'VmHWM')}")
