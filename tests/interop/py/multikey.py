"""Multikey (W3C Controlled Identifiers 1.0 §2.2.2) and base58btc, from their definitions."""

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
ED25519, X25519 = b"\xed\x01", b"\xec\x01"


def base58_encode(data):
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def base58_decode(text):
    number = 0
    for character in text:
        number = number * 58 + ALPHABET.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def encode_multikey(key, codec=ED25519):
    return "z" + base58_encode(codec + key)


def decode_multikey(text, codec=ED25519):
    data = base58_decode(text[1:])
    assert text[0] == "z" and data[:2] == codec and len(data) == 34, "no Multikey of this kind"
    return data[2:]
