"""How deep a payload may nest.

A decoder gives up at a depth that depends on how deep the program itself stands, so the same bytes
could be rows live and a reject when replayed. What is too deep is therefore decided here, by the
bytes alone, and far below what any decoder minds.
"""

SHORT = 256  # bytes; what is shorter cannot nest deeper than any decoder takes
_DEPTH = 64  # the venue nests four deep
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))


def too_deep(payload: bytes) -> bool:
    """Whether brackets are left after the innermost were removed 64 times over.

    A few may be: those in texts need not match.
    """
    if len(payload) <= SHORT:
        return False
    brackets = payload.translate(None, _OTHERS)
    for _ in range(_DEPTH):
        left = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(left) == len(brackets):
            break
        brackets = left
    return len(brackets) > SHORT
