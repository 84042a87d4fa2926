"""RFC 6962 §2.1 by its recursive definition, and the verification of proofs by RFC 9162 §2.1.3.2 and §2.1.4.2."""

from functools import cache
from hashlib import sha256


def leaf_hash(data):
    return sha256(b"\0" + data).digest()


def node_hash(left, right):
    return sha256(b"\1" + left + right).digest()


class Tree:
    def __init__(self, leaves):
        self.leaves = leaves
        self.root_of = cache(self.root_of)

    def root_of(self, start, end):
        if end - start == 1:
            return self.leaves[start]
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        return node_hash(self.root_of(start, middle), self.root_of(middle, end))

    def root(self, size):
        return self.root_of(0, size)

    def subtrees(self, size):
        """Roots of the complete subtrees of a size, from the left."""
        start, roots = 0, []
        while start < size:
            width = 1 << (size - start).bit_length() - 1
            roots.append(self.root_of(start, start + width))
            start += width
        return roots

    def tile(self, level, index, width):
        unit = 256**level
        starts = [(index * 256 + position) * unit for position in range(width)]
        return b"".join(self.root_of(start, start + unit) for start in starts)


def verify_inclusion(index, size, leaf, proof, root):
    if index >= size:
        return False
    fn, sn, node = index, size - 1, leaf
    for hash_ in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            node = node_hash(hash_, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, hash_)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and node == root


def verify_consistency(from_, to, proof, from_root, to_root):
    if not 0 < from_ <= to:
        return False
    if from_ == to:
        return not proof and from_root == to_root
    if not proof:
        return False
    path = [from_root, *proof] if from_ & (from_ - 1) == 0 else list(proof)
    fn, sn = from_ - 1, to - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for hash_ in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, hash_)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and old == from_root and new == to_root
