"""HPKE base mode of RFC 9180 with X25519, HKDF-SHA-256 and ChaCha20-Poly1305, single shot, from the primitives."""

import hmac
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEM = b"KEM" + (0x0020).to_bytes(2, "big")
SUITE = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (0x0020, 0x0001, 0x0003))


def labeled_extract(suite, salt, label, ikm):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, sha256)


def labeled_expand(suite, prk, label, info, length):
    labeled, output, block = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(prk, block + labeled + bytes([counter]), sha256)
        output += block
    return output[:length]


def derive_key_pair(ikm):
    return labeled_expand(KEM, labeled_extract(KEM, b"", b"dkp_prk", ikm), b"sk", b"", 32)


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def shared_secret(secret, other, enc, recipient):
    dh = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(other))
    prk = labeled_extract(KEM, b"", b"eae_prk", dh)
    return labeled_expand(KEM, prk, b"shared_secret", enc + recipient, 32)


def cipher(shared, info):
    context = (
        b"\0" + labeled_extract(SUITE, b"", b"psk_id_hash", b"") + labeled_extract(SUITE, b"", b"info_hash", info)
    )
    secret = labeled_extract(SUITE, shared, b"secret", b"")
    key = labeled_expand(SUITE, secret, b"key", context, 32)
    return ChaCha20Poly1305(key), labeled_expand(SUITE, secret, b"base_nonce", context, 12)


def seal(recipient, info, aad, plaintext, ephemeral_ikm):
    ephemeral = derive_key_pair(ephemeral_ikm)
    enc = public(ephemeral)
    aead, nonce = cipher(shared_secret(ephemeral, recipient, enc, recipient), info)
    return enc, aead.encrypt(nonce, plaintext, aad)


def open_sealed(secret, enc, info, aad, ciphertext):
    aead, nonce = cipher(shared_secret(secret, enc, enc, public(secret)), info)
    return aead.decrypt(nonce, ciphertext, aad)
