"""The JSON gate of P-1.1 on Python's own reader, and canonical bytes by PyPI rfc8785."""

import json

import rfc8785

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1


class Refused(ValueError):
    pass


def _members(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused("duplicate member")
    return members


def _integer(text):
    number = int(text)
    if text == "-0" or abs(number) > MAX_INTEGER:
        raise Refused("integer")
    return number


def _no_number(text):
    raise Refused(f"number {text}")


def _check(value, depth):
    if isinstance(value, str):
        value.encode("utf-8")  # refuses half a surrogate pair
    elif isinstance(value, (list, dict)):
        if depth == MAX_DEPTH:
            raise Refused("too deep")
        if isinstance(value, dict):
            for name in value:
                name.encode("utf-8")
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)


def gate(data):
    """The value of a document of any layout; ValueError when it does not pass."""
    text = data.decode("utf-8")
    if text.startswith("\ufeff"):
        raise Refused("byte order mark")
    value = json.loads(
        text, object_pairs_hook=_members, parse_int=_integer, parse_float=_no_number, parse_constant=_no_number
    )
    _check(value, 0)
    return value


def canonical(value):
    return rfc8785.dumps(value)


def read_canonical(data):
    """The value of a canonical document."""
    value = gate(data)
    if canonical(value) != data:
        raise Refused("not canonical")
    return value
