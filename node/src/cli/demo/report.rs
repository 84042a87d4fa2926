//! What the demo says at the end.

use super::city::Running;
use crate::cli::{Globals, finding, output};
use crate::problem::Outcome;
use crate::synthetic::{Comparison, FoundFinding, Population, compare};
use hefu_schemas::id::{AgreementId, RecordId};
use hefu_schemas::text::Text;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Findings asked for: far more than are planted.
const MAX_FINDINGS: &str = "10000";

/// One city's figures.
#[derive(Debug, Clone)]
pub(super) struct CityReport {
    pub(super) name: Text,
    pub(super) entries: u64,
    pub(super) published: u64,
    pub(super) publish_seconds: f64,
    pub(super) pulled: u64,
    pub(super) pull_seconds: f64,
    pub(super) peak_memory: Option<u64>,
}

impl Default for CityReport {
    fn default() -> Self {
        let name = Text::new("", "");
        Self { name, entries: 0, published: 0, publish_seconds: 0.0, pulled: 0, pull_seconds: 0.0, peak_memory: None }
    }
}

impl CityReport {
    pub(super) fn publish_rate(&self) -> f64 {
        rate(self.published, self.publish_seconds)
    }

    pub(super) fn pull_rate(&self) -> f64 {
        rate(self.pulled, self.pull_seconds)
    }
}

fn rate(count: u64, seconds: f64) -> f64 {
    float(count) / seconds.max(0.001)
}

/// For figures that people read: counts here stay far below 2^32.
pub(super) fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// The whole result.
pub(super) struct Report {
    pub(super) cities: Vec<CityReport>,
    by_rule: BTreeMap<String, u64>,
    planted: usize,
    comparisons: Vec<Comparison>,
    example: Option<Value>,
    digests: Vec<String>,
    fits: bool,
    agreement: AgreementId,
    pub(super) seconds: f64,
}

/// Asks every node for its findings through its control socket and compares them with the planted list.
pub(super) async fn collect(
    cities: &[Running],
    population: &Population,
    mut reports: Vec<CityReport>,
    tallies: Vec<Value>,
    fits: bool,
    agreement: AgreementId,
) -> Outcome<Report> {
    let (mut comparisons, mut by_rule, mut example) = (Vec::new(), BTreeMap::new(), None);
    for (number, (running, report)) in cities.iter().zip(&mut reports).enumerate() {
        let answer = running.json(&["finding", "list", "--limit", MAX_FINDINGS]).await?;
        let findings = answer.get("findings").and_then(Value::as_array).cloned().unwrap_or_default();
        if number == 0 {
            for row in &findings {
                let rule = row.get("rule").and_then(Value::as_str).unwrap_or_default();
                *by_rule.entry(rule.to_owned()).or_insert(0) += 1;
            }
            let shown = running.json(&["finding", "list", "--rule", "C2", "--limit", "1", "--records"]).await?;
            example = shown.pointer("/findings/0").cloned();
        }
        comparisons.push(compare(population.planted(), &findings.iter().map(found).collect::<Vec<_>>()));
        report.entries = own_entries(running).await?;
        report.peak_memory = running.peak_memory();
    }
    let digest = |tally: &Value| tally.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
    let digests = tallies.iter().map(digest).collect();
    Ok(Report {
        cities: reports,
        by_rule,
        planted: population.planted().len(),
        comparisons,
        example,
        digests,
        fits,
        agreement,
        seconds: 0.0,
    })
}

async fn own_entries(running: &Running) -> Outcome<u64> {
    let reports = running.json(&["fsck"]).await?;
    Ok(reports.pointer("/0/entries").and_then(Value::as_u64).unwrap_or(0))
}

fn found(finding: &Value) -> FoundFinding {
    let evidence = finding.get("evidence").and_then(Value::as_array).into_iter().flatten();
    let records = evidence.filter_map(|row| RecordId::parse(row.get("record")?.as_str()?).ok()).collect();
    FoundFinding { rule: finding.get("rule").and_then(Value::as_str).unwrap_or_default().to_owned(), records }
}

impl Report {
    /// All planted cases found by every node, nothing else, and equal tallies.
    pub(super) fn is_good(&self) -> bool {
        self.fits && self.same_digests() && self.comparisons.iter().all(Comparison::is_exact)
    }

    fn same_digests(&self) -> bool {
        self.digests.windows(2).all(|pair| pair.first() == pair.last())
            && self.digests.iter().all(|digest| !digest.is_empty())
    }

    fn missed(&self) -> usize {
        self.comparisons.iter().map(|comparison| comparison.missed.len()).max().unwrap_or(0)
    }

    fn not_planted(&self) -> usize {
        self.comparisons.iter().map(|comparison| comparison.not_planted.len()).max().unwrap_or(0)
    }

    /// One line for an error.
    pub(super) fn verdict(&self) -> String {
        format!(
            "missed {}, not planted {}, tallies equal: {}",
            self.missed(),
            self.not_planted(),
            self.fits && self.same_digests()
        )
    }

    /// Prints everything, in the language of the command or as JSON.
    pub(super) fn print(&self, globals: &Globals) {
        if globals.json {
            output::json(&self.to_json());
            return;
        }
        output::data(String::new());
        self.print_cities(globals);
        self.print_findings(globals);
        self.print_tallies(globals);
        output::data(output::text(
            globals,
            format!("用时 {:.1} 秒。", self.seconds),
            format!("It took {:.1} seconds.", self.seconds),
        ));
    }

    fn print_cities(&self, globals: &Globals) {
        let head = output::text(
            globals,
            "城市|日志条数|自有记录|发布/秒|持有他方记录|拉取/秒|内存峰值",
            "CITY|ENTRIES|OWN RECORDS|PUBLISH/S|PEERS' RECORDS|PULL/S|PEAK MEMORY",
        );
        let mut rows = vec![head.split('|').map(str::to_owned).collect::<Vec<_>>()];
        for city in &self.cities {
            let memory = city.peak_memory.map_or_else(|| "–".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000));
            rows.push(vec![
                output::of(globals, &city.name),
                city.entries.to_string(),
                city.published.to_string(),
                format!("{:.0}", city.publish_rate()),
                city.pulled.to_string(),
                format!("{:.0}", city.pull_rate()),
                memory,
            ]);
        }
        output::data(output::table(&rows));
    }

    fn print_findings(&self, globals: &Globals) {
        let by_rule: Vec<String> = self.by_rule.iter().map(|(rule, count)| format!("{rule} × {count}")).collect();
        output::data(output::text(
            globals,
            format!("\n各规则的差异：{}", by_rule.join("，")),
            format!("\nFindings by rule: {}", by_rule.join(", ")),
        ));
        let (planted, missed, strange) = (self.planted, self.missed(), self.not_planted());
        output::data(output::text(
            globals,
            format!(
                "预埋 {planted} 例：三个节点均找到 {} 例，漏 {missed} 例；预埋之外的差异 {strange} 项。",
                planted - missed
            ),
            format!(
                "{planted} cases planted: {} found by all three nodes, {missed} missed; findings not planted: {strange}.",
                planted - missed
            ),
        ));
        for case in self.comparisons.iter().flat_map(|comparison| &comparison.missed) {
            output::data(output::text(
                globals,
                format!("  漏：{} {} {}", case.rule, case.case, case.text.zh),
                format!("  missed: {} {} {}", case.rule, case.case, case.text.en),
            ));
        }
        for strange in self.comparisons.iter().flat_map(|comparison| &comparison.not_planted) {
            let records: Vec<String> = strange.records.iter().map(ToString::to_string).collect();
            output::data(output::text(
                globals,
                format!("  未预埋：{} {}", strange.rule, records.join(" ")),
                format!("  not planted: {} {}", strange.rule, records.join(" ")),
            ));
        }
        if let Some(example) = &self.example {
            output::data(output::text(
                globals,
                "\n其中一项，两半并列（≠ 为不一致的字段）：",
                "\nOne of them, both halves side by side (≠ marks members that differ):",
            ));
            output::data(finding::lines(globals, example));
        }
    }

    fn print_tallies(&self, globals: &Globals) {
        output::data(output::text(
            globals,
            "\n三方各自算出的合符摘要：",
            "\nThe tally digests that the three computed:",
        ));
        let rows: Vec<Vec<String>> = self
            .cities
            .iter()
            .zip(&self.digests)
            .map(|(city, digest)| vec![format!("  {}", output::of(globals, &city.name)), digest.clone()])
            .collect();
        output::data(output::table(&rows));
        if self.fits && self.same_digests() {
            output::data(output::text(
                globals,
                "合：三方结果逐字节一致，均已签名。",
                "They fit (合): byte for byte the same, signed by all three.",
            ));
        } else {
            output::data(output::text(globals, "不合：三方结果不一致。", "They do not fit: the results differ."));
        }
    }

    /// Where the nodes are and what to try.
    pub(super) fn print_kept(&self, globals: &Globals, cities: &[Running]) {
        if globals.json {
            return;
        }
        output::data(output::text(globals, "\n节点仍在运行：", "\nThe nodes keep running:"));
        for running in cities {
            output::data(format!(
                "  {}  {}  (pid {})",
                output::of(globals, &running.city.name),
                running.url,
                running.pid().unwrap_or(0)
            ));
        }
        let Some(first) = cities.first() else { return };
        let (dir, ca, id) = (first.dir.display(), first.ca.display(), self.agreement);
        // The program may not be on the path: `cargo run` does not put it there.
        let hefu = std::env::current_exe().map_or_else(|_| "hefu".to_owned(), |path| path.display().to_string());
        output::data(output::text(globals, "\n可以试试：", "\nThings to try:"));
        for command in [
            format!("{hefu} --dir {dir} finding list --rule S4 --records"),
            format!("{hefu} --dir {dir} peer list"),
            format!("{hefu} --dir {dir} tally show --agreement {id}"),
            format!("{hefu} --dir {dir} fsck"),
            format!("curl --cacert {ca} {}/checkpoint", first.url),
        ] {
            output::data(format!("  {command}"));
        }
        let pids: Vec<String> = cities.iter().filter_map(Running::pid).map(|pid| pid.to_string()).collect();
        output::data(output::text(
            globals,
            format!("停止：kill {}", pids.join(" ")),
            format!("To stop them: kill {}", pids.join(" ")),
        ));
    }

    fn to_json(&self) -> Value {
        let city = |(city, digest): (&CityReport, &String)| {
            json!({
                "name": city.name,
                "entries": city.entries,
                "published": city.published,
                "publishSeconds": city.publish_seconds,
                "pulled": city.pulled,
                "pullSeconds": city.pull_seconds,
                "peakMemoryBytes": city.peak_memory,
                "tallyDigest": digest,
            })
        };
        let case = |case: &crate::synthetic::PlantedCase| json!({"rule": case.rule, "case": case.case});
        json!({
            "agreement": self.agreement.to_string(),
            "cities": self.cities.iter().zip(&self.digests).map(city).collect::<Vec<_>>(),
            "findingsByRule": self.by_rule,
            "planted": self.planted,
            "missed": self.comparisons.iter().map(|comparison| comparison.missed.iter().map(case).collect::<Vec<_>>()).collect::<Vec<_>>(),
            "notPlanted": self.comparisons.iter().map(|comparison| comparison.not_planted.iter().map(|finding| finding.rule.clone()).collect::<Vec<_>>()).collect::<Vec<_>>(),
            "example": self.example,
            "fits": self.fits && self.same_digests(),
            "good": self.is_good(),
            "seconds": self.seconds,
        })
    }
}
