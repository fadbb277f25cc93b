#!/usr/bin/python3
"""Write bpe_learn.txt: texts, and what a byte-level BPE tokeniser learned from them is.

Usage: /usr/bin/python3 test/reference/bpe_learn.py > test/reference/bpe_learn.txt

The definition, written down with no thought of speed: count all pairs, merge the most frequent, of
equals that of the lowest ids, begin again. A case is "= SIZE MIN_COUNT NAME"; then lines of texts,
"t BYTES" in hexadecimal; of merges, "m LEFT RIGHT" as they are spelt; and of what becomes of texts,
"i BYTES ID ...", with <s> and </s> around.
"""
import random
import unicodedata
from collections import Counter

# Each byte's character: printable ones for themselves, the others from U+0100 on.
BYTES = {}
for byte in range(256):
    own = 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or byte >= 0xAE
    BYTES[byte] = chr(byte) if own else chr(256 + sum(1 for b in BYTES if ord(BYTES[b]) >= 256))
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def kind(character):
    category = unicodedata.category(character)[0]
    if character.isspace():
        return "space"
    return {"L": "letter", "N": "number"}.get(category, "mark")


def split(text):
    """'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"""
    pieces = []
    at = 0
    while at < len(text):
        end = at
        for ending in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d"):
            if text.startswith(ending, at):
                end = at + len(ending)
                break
        if end == at:
            word = at + (text[at] == " ")
            if word < len(text) and kind(text[word]) != "space":
                end = word
                while end < len(text) and kind(text[end]) == kind(text[word]):
                    end += 1
        if end == at:
            while end < len(text) and kind(text[end]) == "space":
                end += 1
            if end < len(text) and end - at > 1:
                end -= 1
        pieces.append(text[at:end])
        at = end
    return pieces


def spell(piece):
    return [BYTES[byte] for byte in piece.encode()]


def join(symbols, left, right):
    out = []
    at = 0
    while at < len(symbols):
        if symbols[at:at + 2] == [left, right]:
            out.append(left + right)
            at += 2
        else:
            out.append(symbols[at])
            at += 1
    return out


def learn(texts, size, min_count):
    counts = Counter(piece for text in texts for piece in split(text))
    words = [(spell(piece), count) for piece, count in counts.items()]
    ids = {token: i for i, token in enumerate(SPECIALS + sorted(BYTES.values()))}
    merges = []
    while len(ids) < size:
        pairs = Counter()
        for symbols, count in words:
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += count
        if not pairs:
            break
        (left, right), count = min(pairs.items(),
                                   key=lambda item: (-item[1], ids[item[0][0]], ids[item[0][1]]))
        if count < min_count:
            break
        merges.append((left, right))
        ids.setdefault(left + right, len(ids))
        words = [(join(symbols, left, right), count) for symbols, count in words]
    return ids, merges


def encode(text, ids, merges):
    out = [ids["<s>"]]
    for piece in split(text):
        symbols = spell(piece)
        for left, right in merges:
            symbols = join(symbols, left, right)
        out += [ids[symbol] for symbol in symbols]
    return out + [ids["</s>"]]


def case(name, texts, size, min_count, samples):
    ids, merges = learn(texts, size, min_count)
    print(f"= {size} {min_count} {name}")
    for text in texts:
        print("t", text.encode().hex())
    for left, right in merges:
        print("m", left, right)
    for text in samples:
        print("i", text.encode().hex(), *encode(text, ids, merges))


def sentences(count, seed):
    chosen = random.Random(seed)
    parts = [["I", "We", "They", "You", "My sister", "The neighbours", "He's", "It'll be you who"],
             ["really", "never", "hardly", "always", "don't", "could've"],
             ["love", "hate", "enjoy", "enjoyed", "loving", "feared", "fearing", "miss", "missed"],
             ["this", "those lovely", "the worst", "21", "3", "1999's", "a café's", "naïve"],
             ["songs", "song", "movie", "movies", "mornings", "cakes 😊", "rains 🌧️", "Überraschungen"],
             ["!", "!!!", ".", "...", " :)", "\n", "  ", "?!", ""]]
    return [" ".join(chosen.choice(part) for part in parts) for _ in range(count)]


def letters(count, alphabet, seed):
    chosen = random.Random(seed)
    return ["".join(chosen.choice(alphabet) for _ in range(chosen.randrange(1, 30)))
            for _ in range(count)]


def main():
    sample = sentences(6, 2) + ["", " ", "unheard of: zyx 'twas 100% \t\t ok", "ééé<s>a</s>"]
    case("sentences", sentences(80, 1), 500, 2, sample)
    case("a few merges", sentences(20, 3), 270, 2, sample[:3])
    case("none but bytes", sentences(3, 4), 261, 2, sample[:2])
    case("rare pairs are left", sentences(20, 5), 2000, 5, sample[:3])
    case("every pair", sentences(6, 6), 2000, 1, sample[:3])
    case("of two letters, many ties", letters(60, "ab", 7), 500, 2, letters(5, "ab", 8))
    case("of three letters and spaces", letters(60, "ab c", 9), 500, 1, letters(5, "abc ", 10))
    case("one letter", ["a" * n for n in (1, 2, 3, 7, 15, 16, 31)], 300, 1, ["a" * 29])
    case("no text", [], 400, 2, ["abc"])
    case("empty texts", ["", ""], 400, 2, ["abc"])


main()
