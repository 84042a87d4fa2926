"""Normal forms of identifiers of persons and of names (P-3.10)."""

import re
import unicodedata

WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
NOT_WHITE_SPACE = "\x1c\x1d\x1e\x1f"  # Python's isspace has these four more than Unicode's White_Space
UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def fold(text):
    text = unicodedata.normalize("NFKC", text)
    return "".join(c for c in text if not c.isspace() or c in NOT_WHITE_SPACE).translate(UPPER)


def normalise_name(name):
    return re.sub("[·•・'-]", "", fold(name))


def is_resident_id(text):
    """GB 11643: area, birth date, sequence and check character."""
    if not re.fullmatch("[1-9][0-9]{16}[0-9X]", text):
        return False
    year, month, day = int(text[6:10]), int(text[10:12]), int(text[12:14])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    if not 1 <= month <= 12 or not 1 <= day <= days[month - 1]:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, text))
    return "10X98765432"[total % 11] == text[17]


def normalise(scheme, text):
    """(scheme, id), or ValueError."""
    id_ = fold(text)
    if scheme == "cn-student-number" and id_[:1] == "G":
        scheme, id_ = "cn-resident-id", id_[1:]
    if scheme == "cn-resident-id":
        fits = is_resident_id(id_)
    elif scheme == "cn-student-number":
        fits = re.fullmatch("[JL][0-9A-Z]{18}", id_)
    elif scheme == "cn-hmt-permit":
        fits = re.fullmatch("[HM][0-9]{8}([0-9]{2})?|[0-9]{8}", id_)
        id_ = id_[:9]
    elif scheme == "cn-permanent-resident":
        fits = re.fullmatch("[A-Z]{3}[0-9]{12}", id_) or (id_[:1] == "9" and is_resident_id(id_))
    elif re.fullmatch("passport:[A-Z]{3}", scheme):
        fits = re.fullmatch("[0-9A-Z]{5,20}", id_)
    elif re.fullmatch("local:[0-9A-Za-z-]+", scheme):
        fits = re.fullmatch("[!-~]{1,64}", id_)
    else:
        fits = False
    if not fits:
        raise ValueError("identifier out of its form")
    return scheme, id_
