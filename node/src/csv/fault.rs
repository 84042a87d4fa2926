//! What is wrong with a table, by row and column, with its remedy. No value of a cell is ever quoted.

use hefu_schemas::text::Text;
use serde_json::{Value, json};

/// Most faults that are listed; the rest is counted.
pub const MAX_FAULTS: usize = 200;

/// One fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Row as a spreadsheet counts it: the header is 1. 0 where no row is to blame.
    pub row: usize,
    /// The mapped column, and its position when that is known.
    pub column: Option<(String, Option<usize>)>,
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub message: Text,
    /// What to do.
    pub remedy: Text,
}

macro_rules! kinds {
    ($($name:ident = $code:literal, $zh:literal, $en:literal, remedy $remedy_zh:literal, $remedy_en:literal;)*) => {
        /// The faults that the table itself or its mapping can have.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind { $(#[doc = $en] $name,)* }

        impl Kind {
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// The stable code.
            pub(super) fn code(self) -> &'static str { match self { $(Self::$name => $code,)* } }
            fn message(self) -> Text { match self { $(Self::$name => Text::new($zh, $en),)* } }
            fn remedy(self) -> Text { match self { $(Self::$name => Text::new($remedy_zh, $remedy_en),)* } }
        }
    };
}

kinds! {
    Spreadsheet = "csv/spreadsheet", "这是电子表格文件，不是 CSV", "this is a spreadsheet, not a CSV file", remedy "请另存为“CSV UTF-8（逗号分隔）”。", "save it as “CSV UTF-8 (comma delimited)”";
    Utf16 = "csv/utf-16", "文件为 UTF-16 编码", "the file is encoded as UTF-16", remedy "请另存为 UTF-8 或 GB18030。", "save it as UTF-8 or GB18030";
    Empty = "csv/empty", "文件为空", "the file is empty", remedy "请核对导出的文件；首行应为列名。", "look at the export; its first row has the names of the columns";
    NoRows = "csv/no-rows", "只有列名，没有数据行", "there is a header and no row", remedy "请核对导出的文件。空名册不表示撤回。", "look at the export; an empty roll withdraws nothing";
    TooLarge = "csv/too-large", "文件超过 64 MiB，其后未读取", "the file is over 64 MiB; what is beyond was not read", remedy "请分成几个文件。", "split it into several files";
    TooManyRows = "csv/too-many-rows", "超过 100000 行，其后未读取", "there are more than 100,000 rows; what is beyond was not read", remedy "请分成几个文件，例如按区县。", "split it into several files, by district for instance";
    TooManyColumns = "csv/too-many-columns", "超过 256 列，其后未读取", "there are more than 256 columns; what is beyond was not read", remedy "请核对分隔符；只导出需要的列。", "check the delimiter; export only the columns that are needed";
    TooLong = "csv/too-long", "单元格超过 1024 字节，其后未读取", "a cell is longer than 1024 bytes; what is beyond was not read", remedy "多为引号未闭合；请核对该行引号。", "mostly a quote that is not closed: check the quotes of this row";
    Quote = "csv/quote", "引号错误，其后未读取", "a broken quote; what is beyond was not read", remedy "含引号的单元格须整体加引号，内部引号写两个。", "quote the whole cell and double the quotes inside it";
    Nul = "csv/nul", "含有 NUL 字节，其后未读取", "a NUL byte; what is beyond was not read", remedy "文件已损坏或不是文本，请重新导出。", "the file is damaged or no text: export it again";
    CarriageReturn = "csv/cr", "行尾只有 CR，其后未读取", "a line ends with CR alone; what is beyond was not read", remedy "请以 CRLF 或 LF 换行另存。", "save it with line ends CRLF or LF";
    HeaderLacks = "csv/header-lacks", "表头没有映射所列的这一列", "the header lacks this column, which the mapping names", remedy "请核对列名与编码，或更正映射。", "check the column's name and the encoding, or correct the mapping";
    HeaderTwice = "csv/header-twice", "表头中这一列出现两次", "the header has this column twice", remedy "请删去或改名其中一列。", "remove or rename one of them";
    Width = "csv/width", "列数与表头不同", "the row has another number of cells than the header", remedy "请核对该行是否缺少分隔符，或单元格含有未加引号的分隔符。", "check the row for a missing delimiter, or one inside a cell without quotes";
    Undecodable = "csv/undecodable", "字节不符合文件编码", "bytes that are not of the file's encoding", remedy "请核对映射中的 encoding，或重新导出该行。", "check `encoding` in the mapping, or export the row again";
    Replaced = "csv/replaced", "含有替换字符（U+FFFD），原文在此前的转换中已丢失", "a replacement character (U+FFFD): the text was lost in an earlier conversion", remedy "请从原系统以正确编码重新导出。", "export it again from the source system in the right encoding";
    Control = "csv/control", "含有换行或控制字符", "a line break or control character in the cell", remedy "请删去后重试。", "remove it";
    Formula = "csv/formula", "以 = + @ 开头，像是公式", "it begins with =, + or @ like a formula", remedy "请将该列设为文本格式，导出值而不是公式。", "format the column as text and export values, not formulas";
    Missing = "csv/missing", "不得为空", "the cell is empty", remedy "请补全；确可为空的，在映射中写 optional = true。", "fill it in; where it may be empty, write optional = true in the mapping";
    NotMapped = "csv/not-mapped", "该取值不在映射的 values 中", "this value is not among the `values` of the mapping", remedy "请更正单元格，或在映射中补充该取值。", "correct the cell, or add the value to the mapping";
    NoInteger = "csv/no-integer", "不是整数", "not a whole number", remedy "请更正。", "correct it";
    NoDate = "csv/no-date", "不是日期", "not a date", remedy "日期写作 2026-09-01、2026/9/1、20260901 或 2026年9月1日。", "write 2026-09-01, 2026/9/1, 20260901 or 2026年9月1日";
    NoMonth = "csv/no-month", "不是年月", "not a month", remedy "年月写作 2026-09、2026/9、202609 或 2026年9月。", "write 2026-09, 2026/9, 202609 or 2026年9月";
    NoName = "csv/no-name", "映射中没有该代码的名称", "the mapping has no name for this code", remedy "请更正代码，或在 [institutions.names]、[places.names] 中补充。", "correct the code, or add it to [institutions.names] or [places.names]";
    Identifier = "csv/identifier", "证件号码不符合证件种类的格式或校验码", "the identifier does not fit its scheme, or its check character is wrong", remedy "请核对证件种类与号码；电子表格会改写长数字，请将该列设为文本格式。", "check scheme and number; spreadsheets mangle long numbers: format the column as text";
    Sex = "csv/sex", "性别须映射为 M、F 或 X", "sex: M, F or X is expected", remedy "请更正映射中的 subject.sex。", "correct subject.sex in the mapping";
    TwoRows = "csv/two-rows", "同一对象或事项在前面的行已出现", "an earlier row is about the same person or matter", remedy "每个对象只留一行。", "keep one row of each";
    TwoChains = "csv/two-chains", "该对象有两条并存的有效记录", "two records of this person stand side by side", remedy "请先用 hefu record list 查看，更正或撤回其中一条。", "see `hefu record list`, and amend or withdraw one of them first";
    NewStatus = "csv/new-status", "尚无记录，不能以此状态开始", "nothing is published yet, and no record begins with this status", remedy "请先发布其入学，或映射 members.event、在 [events] new 中指明。", "publish the entry first, or map members.event or [events] new";
    NoEvent = "csv/no-event", "无法由已发布的记录推断异动", "which event leads here from what is published cannot be told", remedy "请映射 members.event，或在 [events] changed 中指明。", "map members.event, or say it in [events] changed";
    Entry = "csv/entry", "异动为入学类，但该对象已有有效记录", "an event that opens a spell, but a record of this person stands already", remedy "请填写实际异动；原记录有误的，用 hefu amend 更正。", "state the event of the change; if the earlier record is wrong, use `hefu amend`";
    Unchangeable = "csv/unchangeable", "与已发布的记录不同，而该项不能由后续记录改变", "it differs from what is published, and a following record cannot change it", remedy "原记录有误的，用 hefu amend 更正；否则更正此单元格。", "if the published record is wrong, use `hefu amend`; else correct the cell";
}

impl Fault {
    pub(super) fn new(row: usize, kind: Kind) -> Self {
        Self { row, column: None, code: kind.code().to_owned(), message: kind.message(), remedy: kind.remedy() }
    }

    pub(super) fn in_column(mut self, name: &str, position: Option<usize>) -> Self {
        self.column = Some((name.to_owned(), position));
        self
    }

    /// A column that no mapping names: by its letters alone.
    pub(super) fn at(mut self, position: usize) -> Self {
        self.column = Some((letters(position), Some(position)));
        self
    }

    pub(super) fn to_json(&self) -> Value {
        let cell =
            self.column.as_ref().and_then(|(_, position)| Some(format!("{}{}", letters((*position)?), self.row)));
        json!({
            "row": self.row,
            "column": self.column.as_ref().map(|(name, _)| name),
            "cell": cell,
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
        })
    }
}

/// The letters that a spreadsheet gives a column: 0 is A, 26 is AA.
fn letters(mut position: usize) -> String {
    let mut text = String::new();
    loop {
        let letter = u8::try_from(position % 26).unwrap_or_default();
        text.insert(0, char::from(b'A' + letter));
        if position < 26 {
            return text;
        }
        position = position / 26 - 1;
    }
}

/// Faults as they are found: the first are kept, all are counted.
#[derive(Debug, Default)]
pub(super) struct Faults {
    listed: Vec<Fault>,
    pub(super) count: usize,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.count += 1;
        if self.listed.len() < MAX_FAULTS {
            self.listed.push(fault);
        }
    }

    /// Counts what is known of without being listed.
    pub(super) fn count_more(&mut self, more: usize) {
        self.count += more;
    }

    /// All that are listed, by row.
    pub(super) fn into_json(mut self) -> Value {
        self.listed.sort_by_key(|fault| fault.row);
        self.listed.iter().map(Fault::to_json).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_letters_of_a_spreadsheet() {
        for (position, expected) in
            [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (255, "IV"), (701, "ZZ"), (702, "AAA")]
        {
            assert_eq!(letters(position), expected);
        }
    }

    #[test]
    fn every_fault_has_a_remedy_in_both_languages() {
        let mut codes = std::collections::BTreeSet::new();
        for kind in Kind::ALL {
            assert!(codes.insert(kind.code()), "{kind:?}");
            for text in [kind.message(), kind.remedy()] {
                assert!(!text.en.is_empty() && text.zh.chars().any(|c| c > '\u{2E80}'), "{kind:?}");
            }
        }
    }

    #[test]
    fn the_first_are_listed_by_row_and_all_are_counted() {
        let mut faults = Faults::default();
        for row in (0..MAX_FAULTS + 5).rev() {
            faults.add(Fault::new(row, Kind::Missing).in_column("学段", Some(2)));
        }
        assert_eq!(faults.count, MAX_FAULTS + 5);
        let listed = faults.into_json();
        assert_eq!(listed.as_array().unwrap().len(), MAX_FAULTS);
        assert_eq!((&listed[0]["row"], &listed[0]["cell"]), (&json!(5), &json!("C5")));
    }
}
