#!/usr/bin/python3
"""Contenders measured in turn, round by round, so that what disturbs the machine disturbs all alike.

  bench/peer/rounds.py ROUNDS TEXTS LOOK NAME:BATCHES:COMMAND...

Each command is started once. It prints "ready WORK" when it has loaded, WORK being its GFLOP per text;
for each line "BATCH TEXTS" that it reads it scores so many texts in batches of that size and prints
"SECONDS DIFFERENCE", the latter from PyTorch's logits. BATCHES: sizes with commas between. Commands
of the same name are variants: that variant and size which is quickest for LOOK texts, of two tries
each in turn, is the one that counts. Prints lines "NAME_what value": seconds of each round, batch,
variant (its number), difference, work.
"""
import subprocess
import sys

rounds, texts, look = map(int, sys.argv[1:4])


class Contender:
    def __init__(self, specification):
        self.name, batches, command = specification.split(":", 2)
        self.batches = [int(batch) for batch in batches.split(",")]
        self.process = subprocess.Popen(["bash", "-c", "exec " + command], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        word, self.work = self.line().split()
        assert word == "ready", command

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"rounds.py: {self.name} has ended")
        return line

    def run(self, batch, count):
        print(batch, count, file=self.process.stdin, flush=True)
        return tuple(map(float, self.line().split()))


contenders, found, variants = {}, {}, {}
for specification in sys.argv[4:]:
    made = Contender(specification)
    contenders.setdefault(made.name, []).append(made)
for _ in range(2):
    for name, those in contenders.items():
        variants.setdefault(name, 0)
        choices = [(number, batch) for number, of in enumerate(those) for batch in of.batches]
        if len(choices) == 1:
            found[name] = {choices[0]: 0}
            those[0].run(choices[0][1], min(look, texts))  # warm
            continue
        for number, batch in choices:
            took, _ = those[number].run(batch, min(look, texts))
            times = found.setdefault(name, {})
            times[number, batch] = min(took, times.get((number, batch), took))
best = {name: min(times, key=times.get) for name, times in found.items()}
for name, those in contenders.items():
    number, batch = best[name]
    for i, other in enumerate(those):
        if i != number:
            other.process.kill()
    print(f"{name}_batch {batch}\n{name}_variant {number}\n{name}_work {those[number].work}")
for _ in range(rounds):
    for name, those in contenders.items():
        number, batch = best[name]
        seconds, difference = those[number].run(batch, texts)
        print(f"{name}_seconds {seconds}\n{name}_difference {difference}", flush=True)
for those in contenders.values():
    for each in those:
        each.process.stdin.close()
        each.process.wait()
