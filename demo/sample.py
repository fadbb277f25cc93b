#!/usr/bin/env python3
"""Draw demo/goemotions-sample.tsv from GoEmotions' train.tsv and labels.txt.

    demo/sample.py DIRECTORY > demo/goemotions-sample.tsv

1,500 rows: 1,000 as they come, so that the labels are as unequal as in life, then the first others
that carry one of the labels that have fewer than 35 so far. "As they come" is the order of the
SHA-256 of the comment's id. Rows with coarse words are left out: the file is for showing around.
Columns: text, labels by name (comma-separated), comment id.
"""
import hashlib
import re
import sys

COARSE = re.compile(
    r"fuck|shit|cunt|bitch|nigg|fag|retard|rape|whore|slut|dick|cock|pussy|porn|sex|cum\b|bastard"
    r"|suicid|kill|wank|\bass|asshole|damn|nazi|hitler|jew|muslim|gay|trans|kys|\bdie\b|crap|hell\b",
    re.IGNORECASE,
)


def main(directory):
    names = open(f"{directory}/labels.txt", encoding="utf-8").read().split()
    rows = []
    for line in open(f"{directory}/train.tsv", encoding="utf-8"):
        text, ids, comment = line.rstrip("\n").split("\t")
        if not COARSE.search(text) and "\\" not in text and 12 <= len(text) <= 160:
            rows.append((text, [names[int(i)] for i in ids.split(",")], comment))
    rows.sort(key=lambda row: hashlib.sha256(row[2].encode()).digest())
    chosen, rest = rows[:1000], rows[1000:]
    count = {name: sum(name in labels for _, labels, _ in chosen) for name in names}
    for row in rest:
        if len(chosen) == 1500:
            break
        if any(count[name] < 35 for name in row[1]):
            chosen.append(row)
            for name in row[1]:
                count[name] += 1
    for row in rest:
        if len(chosen) == 1500:
            break
        if row not in chosen:
            chosen.append(row)
    for text, labels, comment in chosen:
        print(text, ",".join(labels), comment, sep="\t")


if __name__ == "__main__":
    main(sys.argv[1])
