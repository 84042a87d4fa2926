"""What became of every element and attribute: mapped to which member, or not mapped and why. Never a value."""

from .reading import XSI, shown
from .refusal import Refused

REASONS = {
    "person": ("个人信息，不进入记录", "personal data: never enters a record"),
    "staff": ("经办人的个人信息，不进入记录", "personal data of staff: never enters a record"),
    "no-member": ("记录没有对应的成员", "the record has no such member"),
    "free-text": ("记录不接受自由文本", "records take no free text"),
    "component-of-agreement": (
        "环节记录只写学分总数，不列课程",
        "a half states the sum of the credits, not the components",
    ),
    "no-programme": (
        "本局设置没有与该校际协议对应的合作项目",
        "the settings name no programme for the interinstitutional agreement",
    ),
    "home-component": (
        "本校拟认定的课程写在认定记录中，不写在环节记录中",
        "what the home institution will recognise belongs to a recognising record, not to a half",
    ),
    "credits-incomplete": (
        "并非每门课程都有学分，部分之和不是总数",
        "not every component has credits, and a sum of some would be a false one",
    ),
    "not-approved": ("变更尚未由各方签署", "the change is not signed by all parties"),
    "other-identifier": ("已采用同一对象的另一标识", "another identifier of the same thing is used"),
    "in-settings": ("名称和代码取自本局设置", "names and codes are taken from the office's settings"),
    "course-description": ("课程介绍不进入记录", "the description of a course does not enter a record"),
    "attachment": ("附件由经办机关保存", "attachments stay with the office"),
    "supplement": ("学位证书补充说明由经办机关保存", "the diploma supplement stays with the office"),
    "signature": (
        "XML 签名不在此验证；文件摘要写入 source.documentDigest",
        "the XML signature is not verified here; the digest of the file stands in source.documentDigest",
    ),
    "statistics": ("他人成绩的统计，不属于该学生", "statistics of other students' results"),
    "layout": ("仅用于显示排列", "only for display"),
    "no-grade": ("没有成绩，评分制无所指", "there is no grade that the grading scheme would belong to"),
    "double-credits": (
        "上级已计学分；ELMO 规定上下级不得重复计",
        "an ancestor has the credits: ELMO forbids to count them twice",
    ),
    "component-level": ("组成部分没有等级和专业领域成员", "parts have no members for level and field"),
    "framework": (
        "文书没有指明是哪一国家资历框架",
        "the document does not say by a key which national framework it is",
    ),
    "several-values": ("多门课程的值不同，整体不能写一个", "the parts differ, so the whole states none"),
    "document-time": ("文件生成时间，不是事实的时间", "the time of the file, not of a fact"),
    "other-city": ("由另一方城市出具", "the other city states it"),
    "unknown": ("转换程序不认识该元素", "the converter does not know this element"),
}


# Where a member comes from that no document states.
SOURCES = {
    "case-book": ("取自案卷", "from the case book"),
    "settings": ("取自本局设置", "from the office's settings"),
    "decision": ("由本校决定", "decided by the home institution"),
}


class Ledger:
    """One entry for each element with text and each attribute of a document."""

    def __init__(self, number, kind, root):
        self.number, self.kind = number, kind
        self.entries = {}
        for node in root.walk():
            if node.text:
                self.entries[id(node), ""] = Entry(node.path)
            for attribute in node.attributes:
                if not attribute.startswith(XSI + " "):
                    name = shown(attribute.rpartition(" ")[2])
                    self.entries[id(node), attribute] = Entry(f"{node.path}/@{name}")

    def text(self, node, member):
        """The text of an element, which becomes (part of) a member."""
        if not node.text:
            raise Refused("missing", node.path)
        self.entries[id(node), ""].members.add(member)
        return node.text

    def attribute(self, node, name, member):
        """The value of an attribute, or nothing."""
        if name in node.attributes:
            self.entries[id(node), name].members.add(member)
        return node.attributes.get(name)

    def required(self, parent, name, member):
        """The text of a child that must be there."""
        child = parent.one(name)
        if child is None:
            raise Refused("missing", f"{parent.path}/{shown(name)}")
        return self.text(child, member)

    def optional(self, parent, name, member):
        """The text of a child, or nothing."""
        child = parent.one(name)
        return self.text(child, member) if child is not None and child.text else None

    def skip(self, node, reason):
        """An element and all below it are not mapped, but for what was."""
        for below in node.walk():
            for key in [(id(below), "")] + [(id(below), attribute) for attribute in below.attributes]:
                entry = self.entries.get(key)
                if entry and not entry.members and not entry.reason:
                    entry.reason = reason

    def skip_children(self, parent, reasons):
        """Children by name, each with its reason."""
        for child in parent.children:
            if child.name in reasons:
                self.skip(child, reasons[child.name])

    def close(self, stated):
        """Nothing is left without a word: what nobody asked for is unknown, and what maps to a member of a record that
        the other city states is said to be so. `stated` are the beginnings of the members of this city's records."""
        for entry in self.entries.values():
            if entry.members and not any(member.startswith(stated) for member in entry.members):
                entry.members, entry.reason = set(), "other-city"
            if not entry.members and not entry.reason:
                entry.reason = "unknown"
        assert all(bool(entry.members) != bool(entry.reason) for entry in self.entries.values())

    def rows(self):
        """For the report in JSON."""
        return [entry.row() for entry in self.entries.values()]

    def counts(self):
        """How many were mapped and not mapped."""
        mapped = sum(bool(entry.members) for entry in self.entries.values())
        return {"mapped": mapped, "notMapped": len(self.entries) - mapped}


class Entry:
    """One element or attribute."""

    def __init__(self, path):
        self.path, self.members, self.reason = path, set(), None

    def row(self):
        """Path, and members or reason."""
        if self.members:
            return {"path": self.path, "mapped": sorted(self.members)}
        zh, en = REASONS[self.reason]
        return {"path": self.path, "notMapped": self.reason, "zh": zh, "en": en}


def as_text(report, language):
    """The report for people."""
    zh = language == "zh"
    lines = []
    for document in report["documents"]:
        number, kind, counts = document["number"], document["kind"], document["counts"]
        mapped, dropped = counts["mapped"], counts["notMapped"]
        if zh:
            lines.append(f"文书{number}（{kind}）：已映射{mapped}项，未映射{dropped}项")
        else:
            lines.append(f"Document {number} ({kind}): {mapped} mapped, {dropped} not mapped")
        for row in document["members"]:
            if "mapped" in row:
                lines.append(f"  + {row['path']} → {', '.join(row['mapped'])}")
            else:
                lines.append(f"  - {row['path']}" + (f"：{row['zh']}" if zh else f": {row['en']}"))
    lines.append("记录" if zh else "Records")
    for record in report["records"]:
        lines.append(f"  {record['draftId']}: {record['kind']} {record['role']} {record['step']} {record['stepOn']}")
        for member, source in sorted(record["notFromDocuments"].items()):
            lines.append(f"    {member}" + (f"：{SOURCES[source][0]}" if zh else f": {SOURCES[source][1]}"))
    return "\n".join(lines) + "\n"
