"""The tokens of a Swift file, without its comments, for tools that read sources and need no compiler for that."""
import re
from typing import NamedTuple

TOKEN = re.compile(r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:if|elseif|else|endif)\b[^\n]*)
  | (?P<quote>\#*(?:\"{3}|\"))
  | (?P<word>`?[A-Za-z_$][A-Za-z0-9_]*`?)
  | (?P<number>[0-9](?:[0-9A-Za-z_]|\.(?=[0-9]))*)
  | (?P<operator>\.\.[.<]|[-+*/%=<>!&|^~?]+)
  | (?P<mark>.)
""", re.VERBOSE | re.DOTALL | re.MULTILINE)
CLOSERS = {"(": ")", "[": "]", "{": "}"}


class Token(NamedTuple):
    # "word", "number", "operator", "mark" (a bracket, a comma, a dot …) or "string" (a piece between interpolations).
    kind: str
    text: str
    start: int
    end: int
    line: int


def tokens(text):
    """All tokens in order. What a string interpolates stands between the brackets of its own `\\(…)`."""
    found = []

    def add(kind, start, end):
        if end > start:
            found.append(Token(kind, text[start:end], start, end, text.count("\n", 0, start) + 1))

    def string(start, opener):
        """From the opening quote to behind the closing one."""
        hashes = opener.count("#")
        closer, escape = opener.lstrip("#") + "#" * hashes, "\\" + "#" * hashes
        piece, at = start, start + len(opener)
        while not text.startswith(closer, at):
            if text.startswith(escape + "(", at):
                add("string", piece, at + len(escape))
                at = piece = code(at + len(escape), True)
            else:
                at += len(escape) + 1 if text.startswith(escape, at) else 1
        add("string", piece, at + len(closer))
        return at + len(closer)

    def code(at, is_interpolation):
        """To the end of the text, or behind the bracket that closes the one that stands here."""
        depth = 0
        while at < len(text):
            match = TOKEN.match(text, at)
            kind, start, at = match.lastgroup, at, match.end()
            if kind == "quote":
                at = string(start, match.group())
            elif kind != "space":
                add(kind, start, at)
                depth += {"(": 1, ")": -1}.get(match.group(), 0)
                if is_interpolation and depth == 0:
                    break
        return at

    code(0, False)
    return found


def partners(found):
    """The index of each bracket's partner, by the bracket's own index."""
    pairs, opened = {}, []
    for index, token in enumerate(found):
        if token.kind != "mark":
            continue
        if token.text in CLOSERS:
            opened.append(index)
        elif token.text in CLOSERS.values():
            pairs[index] = opened.pop()
            pairs[pairs[index]] = index
    return pairs
