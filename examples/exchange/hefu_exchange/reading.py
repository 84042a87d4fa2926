"""Reads XML that a stranger wrote: no DOCTYPE, no entities, nothing fetched, everything limited."""

import hashlib
import re
import xml.parsers.expat

from .refusal import Refused

# A transcript with its PDF inside is below 2 MiB; beyond this a file is refused unread.
MAX_FILE_LEN = 4 * 1024 * 1024
# The samples are 11 deep; a tree of courses in ELMO has four levels in practice.
MAX_DEPTH = 64
MAX_ELEMENTS = 50_000
MAX_ATTRIBUTES = 32

EWP = "https://github.com/erasmus-without-paper/"
ELMO = "https://github.com/emrex-eu/elmo-schemas/tree/v1"
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
XML = "http://www.w3.org/XML/1998/namespace"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

# Namespaces whose elements are looked at, with the versions that were read.
KNOWN = {
    EWP + "ewp-specs-api-omobilities/blob/stable-v1/endpoints/get-response.xsd",
    EWP + "ewp-specs-api-omobilities/blob/stable-v2/endpoints/get-response.xsd",
    EWP + "ewp-specs-api-omobility-las/blob/stable-v1/endpoints/get-response.xsd",
    EWP + "ewp-specs-api-imobility-tors/blob/stable-v1/endpoints/get-response.xsd",
    EWP + "ewp-specs-api-imobility-tors/blob/stable-v2/endpoints/get-response.xsd",
    EWP + "ewp-specs-types-academic-term/tree/stable-v1",
    EWP + "ewp-specs-types-academic-term/tree/stable-v2",
    EWP + "ewp-specs-types-address/tree/stable-v1",
    EWP + "ewp-specs-types-phonenumber/tree/stable-v1",
    ELMO,
    SIGNATURE,
}

# Names that may stand in a report. Others come from the sender, who may have put anything there: they become `*`.
VOCABULARY = set("""
omobilities-get-response omobility-las-get-response imobility-tors-get-response student-mobility
student-mobility-for-studies omobility-id sending-hei receiving-hei hei-id ounit-id ounit-name iia-id contact-person
given-names family-name email student global-id birth-date citizenship gender photo-url mailing-address street-address
phone-number e164 status activity-type activity-attributes planned-arrival-date planned-departure-date
actual-arrival-date actual-departure-date eqf-level-studied-at-nomination eqf-level-studied-at-departure
nominee-isced-f-code nominee-language-skill language cefr-level additional-requirement name file url
sending-academic-term-ewp-id receiving-academic-year-id la start-year-month end-year-month start-date end-date
isced-f-code isced-clarification student-language-skill first-version approved-changes changes-proposal
components-studied components-recognized virtual-components component los-id los-code title loi-id term-id term-number
total-terms credit scheme value short-description student-signature sending-hei-signature receiving-hei-signature
timestamp signer-app signer-name signer-position signer-email tor elmo gradeConversionTable iscedTable gradeFrequency
generatedDate learner identifier givenNames familyName bday report issuer country issueDate
learningOpportunitySpecification type subjectArea iscedCode description descriptionHtml specifies
learningOpportunityInstance start date academicTerm end gradingSchemeLocalId resultLabel shortenedGrading
percentageLower percentageEqual percentageHigher resultDistribution category level languageOfInstruction grouping
engagementHours extension hasPart attachments ref diplomaSupplement version introduction section content
additionalInformation attachment gradingScheme groups groupType group Signature SignedInfo CanonicalizationMethod
SignatureMethod Reference Transforms Transform DigestMethod DigestValue SignatureValue KeyInfo X509Data X509SubjectName
X509Certificate fragment reason reason-code size-px localId label count percentage iscedCode typeref idref number
sortingKey Algorithm URI id lang
""".split())


class Node:
    """An element: its name, attributes, text and children, and where it stands."""

    def __init__(self, name, namespace, attributes, parent):
        self.name = name
        self.namespace = namespace
        self.attributes = attributes
        self.parent = parent
        self.children = []
        self.pieces = []
        # How many children there are of a name, and which of its name this one is: paths must not take quadratic time.
        self.counts = {}
        self.position = 1
        if parent is not None:
            self.position = parent.counts[name] = parent.counts.get(name, 0) + 1

    @property
    def text(self):
        """The element's own text, with white space as in `xs:token`."""
        return " ".join("".join(self.pieces).split())

    @property
    def path(self):
        """Names from the root; a position where there are several of a name. Never a value."""
        names, node = [], self
        while node is not None:
            several = node.parent is not None and node.parent.counts[node.name] > 1
            names.append(shown(node.name) + (f"[{node.position}]" if several else ""))
            node = node.parent
        return "/" + "/".join(reversed(names))

    def all(self, name):
        """The children of a name."""
        return [child for child in self.children if child.name == name]

    def one(self, name):
        """The only child of a name, or nothing. Several are refused."""
        found = self.all(name)
        if len(found) > 1:
            raise Refused("more-than-one", found[1].path)
        return found[0] if found else None

    def walk(self):
        """This element and all below it, in order."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))


def shown(name):
    """A name as a report may show it."""
    return name if name in VOCABULARY else "*"


class Document:
    """A parsed file: its root element, and the SHA-256 of its bytes."""

    def __init__(self, root, digest):
        self.root = root
        self.digest = digest


class _Builder:
    def __init__(self, without_namespace):
        self.without_namespace = without_namespace
        self.root = None
        self.open = []
        self.elements = 0

    def start(self, tag, attributes):
        namespace, _, name = tag.rpartition(" ")
        self.elements += 1
        parent = self.open[-1] if self.open else None
        if len(self.open) >= MAX_DEPTH:
            raise Refused("too-deep", parent.path)
        if self.elements > MAX_ELEMENTS:
            raise Refused("too-many-elements", parent.path)
        if len(attributes) > 2 * MAX_ATTRIBUTES:
            raise Refused("too-many-attributes", parent.path if parent else "/")
        if parent is None:
            self._check_root(namespace)
        known = namespace in KNOWN or (namespace == "" and self.without_namespace)
        pairs = dict(zip(attributes[::2], attributes[1::2]))
        node = Node(name if known else "*", namespace, pairs, parent)
        if parent is None:
            self.root = node
        else:
            parent.children.append(node)
        self.open.append(node)

    def _check_root(self, namespace):
        if namespace == "" and not self.without_namespace:
            raise Refused("no-namespace", "/")
        if namespace != "" and namespace not in KNOWN:
            raise Refused("wrong-namespace", "/")

    def end(self, _tag):
        self.open.pop()

    def text(self, piece):
        self.open[-1].pieces.append(piece)


def parse(data, without_namespace=False, fragment=False):
    """Parses bytes. A fragment is one or more elements without a root of their own, below a made root `fragment`.

    Raises Refused for what is not well-formed, has a DOCTYPE or an entity, goes beyond a limit, or has an unknown
    namespace at its root.
    """
    if len(data) > MAX_FILE_LEN:
        raise Refused("too-large", "/")
    declared = re.match(rb"\s*<\?xml[^>]*encoding\s*=\s*[\"']([^\"']*)", data)
    if declared and declared.group(1).lower() not in (b"utf-8", b"us-ascii"):
        raise Refused("not-utf-8", "/")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not-utf-8", "/") from None
    builder = _Builder(without_namespace)
    parser = xml.parsers.expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
    parser.ordered_attributes = True
    parser.buffer_text = True

    def refuse(*_):
        raise Refused("doctype", "/")

    # A DOCTYPE is refused at its first byte, so that no entity is ever declared, expanded or fetched.
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.SkippedEntityHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        if fragment:
            parser.Parse(b"<fragment>", False)
            parser.Parse(data, False)
            parser.Parse(b"</fragment>", True)
        else:
            parser.Parse(data, True)
    except xml.parsers.expat.ExpatError:
        raise Refused("not-well-formed", "/") from None
    return Document(builder.root, hashlib.sha256(data).hexdigest())


def read(path, without_namespace=False, fragment=False):
    """Reads and parses a file; a larger one than MAX_FILE_LEN is not read to its end."""
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_LEN + 1)
    return parse(data, without_namespace, fragment)
