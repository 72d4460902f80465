"""Python literals in texts, parsed by one thread at a time.

Python 3.11 counts the depth of such a parse in one number for all threads, so where a collection of garbage lets a second thread parse
in the midst of it, the first one fails with "SystemError: AST constructor recursion depth mismatch": say, Polars that reads a column
of lists on two threads, or a service that takes up a new generation on one thread while another opens its catalogue (NumPy parses the
header of each array so). Hence one lock, for whatever parses.
"""

from __future__ import annotations

import ast
import threading

PARSING = threading.Lock()


def literal_of(text: str) -> object:
    """The value of a Python literal; ValueError, SyntaxError, MemoryError or RecursionError where `text` is none."""
    with PARSING:
        value: object = ast.literal_eval(text)
    return value
