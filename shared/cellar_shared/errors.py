"""The one error family that reaches a person: what is wrong, where, and what to do about it."""

from __future__ import annotations


class CellarError(Exception):
    """A refusal with a sentence for the person who asked; commands print it and exit with `exit_status`."""

    exit_status = 1


class BadInput(CellarError):
    """What was handed in cannot be taken: the message names the place, what was found and what was expected."""

    exit_status = 2


class Incompatible(CellarError):
    """Two artefacts do not belong together (bundle, generation, code); the message says which to rebuild."""

    exit_status = 3
