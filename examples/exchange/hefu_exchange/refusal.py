"""Why a document is refused. A refusal names a path and a reason, never a value."""

REFUSALS = {
    "too-large": ("文件超过大小上限", "the file is larger than the limit"),
    "too-deep": ("元素嵌套过深", "elements are nested too deeply"),
    "too-many-elements": ("元素过多", "there are too many elements"),
    "too-many-attributes": ("属性过多", "an element has too many attributes"),
    "not-utf-8": ("文件不是 UTF-8 编码", "the file is not UTF-8"),
    "doctype": ("文件含有 DOCTYPE 或实体声明", "the file has a DOCTYPE or an entity"),
    "not-well-formed": ("不是格式良好的 XML", "it is not well-formed XML"),
    "no-namespace": (
        "根元素没有命名空间（确需读入时使用 --without-namespace）",
        "the root element has no namespace (--without-namespace reads it all the same)",
    ),
    "wrong-namespace": ("根元素的命名空间未知", "the namespace of the root element is not known"),
    "wrong-root": ("根元素不是可转换的文书", "the root element is no document that is converted"),
    "missing": ("缺少必需的内容", "what is required is missing"),
    "more-than-one": ("应只有一个，却有多个", "there are several where one is expected"),
    "not-a-date": ("不是有效日期", "it is not a date"),
    "not-a-decimal": ("不是十进制数", "it is not a decimal number"),
    "too-many-digits": ("小数位过多，不能精确到百分之一", "it has more digits than whole hundredths"),
    "out-of-range": ("数值超出范围", "the number is out of range"),
    "unknown-code": ("代码未知", "the code is not known"),
    "unknown-institution": ("设置中没有该机构", "the settings do not name the institution"),
    "unknown-credit-scheme": ("设置中没有该学分制", "the settings do not name the credit scheme"),
    "no-identifier": ("没有可用的人员标识", "there is no identifier of the person"),
    "bad-identifier": ("人员标识的格式不能转换", "the person's identifier has a form that cannot be converted"),
    "bad-name": ("名称不能写入记录", "the name cannot stand in a record"),
    "bad-code": ("代码不能写入记录", "the code cannot stand in a record"),
    "two-documents-differ": ("同一事项的两份文书相互矛盾", "two documents of one matter contradict each other"),
    "deleted-unknown": ("删除的课程不在学习协议中", "a component is deleted that was not in the agreement"),
    "no-case": ("案卷中没有该流动", "the case book has no such mobility"),
    "no-step-date": (
        "文书和案卷都没有该环节的日期",
        "neither the documents nor the case book have a date for this step",
    ),
    "steps-out-of-order": ("环节日期前后颠倒", "the dates of the steps run backwards"),
    "no-level": ("学位没有等级", "a degree has no level"),
    "no-awarding-date": ("没有授予日期", "there is no date of the award"),
    "personal-data": (
        "人员标识出现在不应出现的位置",
        "an identifier of a person stands where none belongs",
    ),
    "not-convertible": ("没有可换算的学分", "there are no credits that the row converts"),
    "settings": ("设置或案卷的格式不正确", "the settings or the case book are malformed"),
    "program": ("hefu 未能完成", "hefu did not succeed"),
}


class Refused(Exception):
    """The document is not converted; nothing of it is written."""

    def __init__(self, code, path, step=""):
        zh, en = REFUSALS[code]
        super().__init__(f"{code} at {path}{step and ' ' + step}: {en}")
        self.code, self.path, self.zh, self.en = code, path, zh, en
