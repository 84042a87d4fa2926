"""XML that is out to do harm, or only wrong."""

import time
import unittest

from hefu_exchange import reading
from hefu_exchange.refusal import REFUSALS, Refused

from .made_up import OMOBILITIES, mobility

ROOT = f'<omobilities-get-response xmlns="{OMOBILITIES}">'
END = "</omobilities-get-response>"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


class Reading(unittest.TestCase):
    def refused(self, data, code, **options):
        with self.assertRaises(Refused) as caught:
            reading.parse(data if isinstance(data, bytes) else data.encode(), **options)
        self.assertEqual(caught.exception.code, code)
        return caught.exception

    def test_doctypes_and_entities(self):
        for prologue in (
            "<!DOCTYPE x>",
            '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
            '<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/passwd">]>',
            f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>',
            '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://localhost:1/x">%p;]>',
        ):
            self.refused(prologue + ROOT + "&l9;" + END, "doctype")
        self.refused(ROOT + "&l9;" + END, "not-well-formed")

    def test_billion_laughs_take_no_time(self):
        began = time.process_time()
        self.refused(f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>' + ROOT + "&l9;" + END, "doctype")
        self.assertLess(time.process_time() - began, 1)

    def test_namespaces(self):
        self.refused(mobility(namespace="https://example.com/other"), "wrong-namespace")
        self.refused(mobility(namespace=""), "no-namespace")
        self.assertEqual(
            reading.parse(mobility(namespace=""), without_namespace=True).root.name, "omobilities-get-response"
        )
        self.refused(mobility(namespace="https://example.com/other"), "wrong-namespace", without_namespace=True)

    def test_an_element_of_another_namespace_is_not_taken_for_one_that_is_known(self):
        foreign = '<student-mobility xmlns="https://example.com/x"><omobility-id>1</omobility-id></student-mobility>'
        inner = ROOT + foreign + END
        root = reading.parse(inner.encode()).root
        self.assertEqual([node.name for node in root.walk()], ["omobilities-get-response", "*", "*"])

    def test_sizes(self):
        self.refused(b" " * (reading.MAX_FILE_LEN + 1), "too-large")
        self.refused(ROOT + "<la>" * reading.MAX_DEPTH, "too-deep")
        self.refused(ROOT + "<la/>" * reading.MAX_ELEMENTS + END, "too-many-elements")
        attributes = " ".join(f'a{n}="1"' for n in range(reading.MAX_ATTRIBUTES + 1))
        self.refused(f"{ROOT}<la {attributes}/>{END}", "too-many-attributes")

    def test_paths_of_many_elements_take_no_quadratic_time(self):
        root = reading.parse((ROOT + "<la/>" * (reading.MAX_ELEMENTS - 1) + END).encode()).root
        began = time.process_time()
        self.assertEqual(len({node.path for node in root.walk()}), reading.MAX_ELEMENTS)
        self.assertLess(time.process_time() - began, 5)

    def test_encodings(self):
        self.refused(f'<?xml version="1.0" encoding="iso-8859-1"?>{ROOT}{END}'.encode("latin-1"), "not-utf-8")
        self.refused((ROOT + "é" + END).encode("latin-1"), "not-utf-8")
        self.refused((ROOT + END).encode("utf-16"), "not-utf-8")

    def test_what_is_not_well_formed(self):
        for text in ("", "x", ROOT, ROOT + END + ROOT + END, ROOT + "<a></b>" + END, ROOT + "\x00" + END):
            self.refused(text, "not-well-formed")
        # A fragment cannot close the root that is made for it.
        self.refused("</fragment><fragment>", "not-well-formed", fragment=True, without_namespace=True)

    def test_names_that_a_stranger_chose_are_not_shown(self):
        root = reading.parse(f"{ROOT}<Madeupsson><la/><la/></Madeupsson>{END}".encode()).root
        paths = [node.path for node in root.walk()]
        self.assertEqual(paths[1:], [f"/omobilities-get-response/{rest}" for rest in ("*", "*/la[1]", "*/la[2]")])

    def test_refusals_name_no_value(self):
        refused = self.refused(ROOT + "Madeupsson" + "</x>", "not-well-formed")
        self.assertNotIn("Madeupsson", str(refused) + refused.zh + refused.en + refused.path)
        self.assertTrue(all(zh and en for zh, en in REFUSALS.values()))
