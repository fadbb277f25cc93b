#!/usr/bin/python3
"""What stands beside emotion_scores: the same model, run by Python beside the database.

  bench/peer/score.py network [--batches 64 256 ...]   tokens given: texts/s for each size of batch
  bench/peer/score.py column TABLE                     (id, body) read, scores written to a new table
  bench/peer/score.py update TABLE                     the same, then its column "scores" set from them
  bench/peer/score.py row TABLE                        one text at a time: read by id, scored
  bench/peer/score.py check                            does it say what emotion_scores says?

Prints lines "name value". --threads N (2) of PyTorch; PG* name the database. Loading PyTorch and the
model, and a first score, are not counted anywhere.
"""
import argparse
import io
import statistics
import time

import model
import numpy
import psycopg2
import torch

CHUNK = 20_000  # rows read, sorted by length and written at a time


def given(cursor, tokeniser, limit):
    """Our own tokens of GoEmotions dev, as rows of the table."""
    cursor.execute("""SELECT array_agg(token ORDER BY position) FROM
        (SELECT ctid AS row, text FROM goemotions WHERE split = 'dev' LIMIT %s) AS t, emotion_explain(text)
        GROUP BY row""", (limit,))
    return [[tokeniser.row(token) for token in tokens] for tokens, in cursor.fetchall()]


def measure_network(cursor, network, tokeniser, o):
    rows = given(cursor, tokeniser, o.limit)
    print("texts", len(rows))
    print("tokens_per_text %.2f" % statistics.mean(len(row) for row in rows))
    prepared = {size: list(model.batches(rows, size)) for size in o.batches}
    rates = {size: [] for size in o.batches}
    with torch.inference_mode():
        for round_ in range(o.rounds + 1):  # the first is to warm up
            for size, groups in prepared.items():
                begin = time.perf_counter()
                for ids, lengths, _ in groups:
                    torch.sigmoid(network(ids, lengths))
                if round_ > 0:
                    rates[size].append(len(rows) / (time.perf_counter() - begin))
    for size, found in rates.items():
        print("batch_%d %.0f" % (size, statistics.median(found)))
    print("best %.0f" % max(statistics.median(found) for found in rates.values()))


def binary_rows(ids, scores):
    """COPY's binary format of (int4, real[]) without nulls."""
    labels = scores.shape[1]
    row = numpy.dtype([("fields", ">i2"), ("id_size", ">i4"), ("id", ">i4"), ("size", ">i4"),
                       ("array", ">i4", (5,)),
                       ("items", [("size", ">i4"), ("value", ">f4")], (labels,))])
    rows = numpy.zeros(len(ids), row)
    rows["fields"], rows["id_size"], rows["id"] = 2, 4, ids
    rows["size"] = 20 + 8 * labels
    rows["array"] = (1, 0, 700, labels, 1)
    rows["items"]["size"] = 4
    rows["items"]["value"] = scores
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff"


def fill(connection, network, tokeniser, o, update):
    cursor = connection.cursor()
    cursor.execute("DROP TABLE IF EXISTS peer_scores")
    connection.commit()
    begin = time.perf_counter()
    cursor.execute("CREATE %s TABLE peer_scores (id int, scores real[])" % ("TEMPORARY" if update else ""))
    reading = connection.cursor("reading")
    reading.itersize = CHUNK
    reading.execute("SELECT id, body FROM " + o.table)
    spent = {"read": 0.0, "tokenise": 0.0, "network": 0.0, "write": 0.0}
    count = 0
    while True:
        at = time.perf_counter()
        rows = reading.fetchmany(CHUNK)
        spent["read"] += time.perf_counter() - at
        if not rows:
            break
        at = time.perf_counter()
        ids = [tokeniser.ids(body) for _, body in rows]
        spent["tokenise"] += time.perf_counter() - at
        at = time.perf_counter()
        scores = model.score(network, ids, o.batches[0])
        spent["network"] += time.perf_counter() - at
        at = time.perf_counter()
        cursor.copy_expert("COPY peer_scores FROM STDIN BINARY",
                           io.BytesIO(binary_rows([id_ for id_, _ in rows], scores)))
        spent["write"] += time.perf_counter() - at
        count += len(rows)
    reading.close()
    if update:
        cursor.execute("ANALYZE peer_scores")
        cursor.execute("UPDATE %s AS t SET scores = p.scores FROM peer_scores AS p WHERE t.id = p.id" % o.table)
    connection.commit()
    print("%s %.3f" % (o.command, time.perf_counter() - begin))
    for what, seconds in spent.items():
        print("%s_%s %.3f" % (o.command, what, seconds))
    print("rows", count)


def percentiles(name, seconds):
    ordered = sorted(seconds)
    print("%s_p50 %.1f" % (name, 1e6 * ordered[len(ordered) // 2]))
    print("%s_p99 %.1f" % (name, 1e6 * ordered[len(ordered) * 99 // 100]))


def measure_rows(connection, network, tokeniser, o):
    """Microseconds a text: all of it, and what of it is the network's; ours over the same connection."""
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM %s ORDER BY id LIMIT %d" % (o.table, o.limit))
    numbers = [number for number, in cursor.fetchall()]
    cursor.execute("PREPARE body AS SELECT body FROM %s WHERE id = $1" % o.table)
    cursor.execute("PREPARE scores AS SELECT emotion_scores(body) FROM %s WHERE id = $1" % o.table)
    cursor.execute("PREPARE one (text) AS SELECT emotion_scores($1)")
    cursor.execute("PREPARE nothing (text) AS SELECT length($1)")
    for statement in ("scores", "one", "nothing"):
        times = []
        for number in numbers:
            argument = number
            if statement != "scores":
                cursor.execute("EXECUTE body (%s)", (number,))
                argument, = cursor.fetchone()
            begin = time.perf_counter()
            cursor.execute("EXECUTE " + statement + " (%s)", (argument,))
            cursor.fetchone()
            times.append(time.perf_counter() - begin)
        percentiles("ours_" + statement, times[len(times) // 10:])
    whole, alone = [], []
    with torch.inference_mode():
        for number in numbers:
            begin = time.perf_counter()
            cursor.execute("EXECUTE body (%s)", (number,))
            body, = cursor.fetchone()
            row = tokeniser.ids(body)
            middle = time.perf_counter()
            torch.sigmoid(network(torch.tensor([row]), torch.tensor([len(row)]))).tolist()
            end = time.perf_counter()
            whole.append(end - begin)
            alone.append(end - middle)
    percentiles("peer", whole[len(whole) // 10:])
    percentiles("peer_network", alone[len(alone) // 10:])


def check(cursor, network, tokeniser, o):
    cursor.execute("""SELECT text, emotion_scores(text), (SELECT array_agg(token ORDER BY position)
        FROM emotion_explain(text)) FROM goemotions WHERE split = 'dev' LIMIT %s""", (o.limit,))
    rows = cursor.fetchall()
    ours = [[tokeniser.row(token) for token in tokens or []] or [1] for _, _, tokens in rows]
    theirs = [tokeniser.ids(text) for text, _, _ in rows]
    difference = numpy.abs(model.score(network, ours) - numpy.array([scores for _, scores, _ in rows]))
    print("largest_difference %.2g" % difference[[tokens is not None for _, _, tokens in rows]].max())
    print("same_tokens %.3f" % (sum(a == b for a, b in zip(ours, theirs)) / len(rows)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("network", "column", "update", "row", "check"))
    parser.add_argument("table", nargs="?")
    parser.add_argument("--batches", type=int, nargs="+", default=[256])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=5426)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    connection = psycopg2.connect("")
    cursor = connection.cursor()
    network, tokeniser = model.load()
    model.score(network, [tokeniser.ids("thank you so much")] * 8)
    if o.command == "network":
        measure_network(cursor, network, tokeniser, o)
    elif o.command == "check":
        check(cursor, network, tokeniser, o)
    elif o.command == "row":
        measure_rows(connection, network, tokeniser, o)
    else:
        fill(connection, network, tokeniser, o, o.command == "update")


main()
