"""The command line, and the published samples where they are at hand."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as etree

from hefu_exchange import ledger, reading
from hefu_exchange.conversion import references
from hefu_exchange.refusal import Refused

from .made_up import AGREEMENT, NAME, NUMBER, OMOBILITIES

HERE = pathlib.Path(__file__).resolve().parent.parent
# Stands in for `hefu subject`: it answers each line, and keeps what it was given nowhere.
STAND_IN = """#!{python}
import sys
assert {number!r} not in " ".join(sys.argv)
for number, line in enumerate(sys.stdin):
    print('{{"subject":"urn:hefu:subject:1:%043d"}}' % number)
"""
DOCUMENTS = [
    ("ewp/omobilities-get-response.xml",),
    ("ewp/omobility-nomination-1.xml", "--without-namespace"),
    ("ewp/omobility-nomination-3.xml", "--without-namespace"),
    ("ewp/omobility-las-get-response.xml",),
    ("ewp/imobility-tors-get-response.xml",),
    ("elmo/example.xml",),
]


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.hefu = self.folder / "hefu"
        self.hefu.write_text(STAND_IN.format(python=sys.executable, number=NUMBER))
        self.hefu.chmod(0o700)

    def convert(self, *arguments, role="receiving"):
        command = [
            sys.executable,
            HERE / "convert",
            "documents",
            "--role",
            role,
            "--hefu",
            self.hefu,
            "--dir",
            self.folder,
            "--agreement",
            AGREEMENT,
            *arguments,
        ]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        )

    def test_refusals_are_one_line_without_a_value(self):
        file = self.folder / f"{NAME}.xml"
        file.write_text(f'<omobilities-get-response xmlns="{OMOBILITIES}">{NAME}</x>')
        for arguments in ((file,), ("--lang", "zh", file), (self.folder / f"no {NAME}.xml",)):
            done = self.convert(*arguments)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (3, "", 1), done.stderr)
            self.assertNotIn("Madeupsson", done.stderr)

    def test_a_huge_file_is_refused(self):
        file = self.folder / "huge.xml"
        with open(file, "wb") as sparse:
            sparse.truncate(1 << 33)
        done = self.convert(file)
        self.assertEqual((done.returncode, done.stderr.split(":")[0]), (3, "too-large"))

    def test_a_program_that_fails_or_answers_wrongly_is_refused(self):
        persons = [("local:NOONE", NUMBER)]
        for script in ("exit 3", "cat", "echo", 'echo \'{"subject":"a"}\'; echo \'{"subject":"b"}\''):
            self.hefu.write_text(f"#!/bin/sh\n{script}\n")
            with self.assertRaises(Refused) as caught:
                references(str(self.hefu), str(self.folder), AGREEMENT, persons)
            self.assertNotIn(NUMBER, str(caught.exception))

    def test_samples(self):
        if not os.environ.get("HEFU_SAMPLES"):
            self.skipTest("needs HEFU_SAMPLES")
        for name, *options in DOCUMENTS:
            for role in ("sending", "receiving"):
                with self.subTest(name=name, role=role):
                    self.check_sample(pathlib.Path(os.environ["HEFU_SAMPLES"]) / name, role, options)

    def check_sample(self, file, role, options):
        report = self.folder / "report.json"
        done = self.convert("--report", report, *options, file, role=role)
        self.assertEqual(done.returncode, 0, done.stderr)
        (document,) = json.loads(report.read_text())["documents"]
        # Counted by another reader: every element that has text is in the report, mapped or with a reason.
        root = etree.parse(file).getroot()
        own = [
            (node.text or "") + "".join(child.tail or "" for child in node)
            for node in root.iter()
            if isinstance(node.tag, str)
        ]
        rows = [row for row in document["members"] if "/@" not in row["path"]]
        self.assertEqual(len(rows), sum(bool(text.strip()) for text in own))
        self.assertEqual(len({row["path"] for row in document["members"]}), len(document["members"]))
        for row in document["members"]:
            self.assertTrue(bool(row.get("mapped")) != (row.get("notMapped") in ledger.REASONS), row["path"])
        # The samples have one element that the format itself leaves open: an extension.
        unknown = [row["path"] for row in document["members"] if row.get("notMapped") == "unknown"]
        self.assertTrue(all("/extension/" in path for path in unknown), unknown)
        # Attributes are as many as the first reader saw, but for those that only name a schema.
        attributes = sum(
            not name.startswith("{" + reading.XSI)
            for node in root.iter()
            if isinstance(node.tag, str)
            for name in node.attrib
        )
        self.assertEqual(len(document["members"]) - len(rows), attributes)
