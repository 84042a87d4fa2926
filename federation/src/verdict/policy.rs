//! The policy of a verifier: whom it trusts to be which city, and what it requires. A file that a person writes once, read
//! strictly: a typing error must not widen trust.
use super::Statement;
use crate::key::PublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hefu_schemas::canonical;
use hefu_schemas::gate::GateError;
use hefu_schemas::id::{Did, Digest, Origin};
use hefu_schemas::scan::{Item, scan};
use hefu_schemas::text::Text;
use hefu_schemas::validate::{SchemaName, validate};
use hefu_schemas::violation::Violation;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use thiserror::Error;

/// Longest policy file.
pub const MAX_POLICY_LEN: usize = 256 * 1024;

/// A city that the verifier knows, by the fingerprint that people compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct City {
    /// Identity of its node: what records name as issuer.
    pub did: Did,
    /// Origin of its log.
    pub origin: Origin,
    /// Leaf hash of its first entry.
    pub fingerprint: Digest,
}

/// Signature type of a cosignature in a verifier key (C2SP tlog-cosignature, Ed25519 with a timestamp).
const COSIGNATURE: u8 = 0x04;

/// A witness, by its verifier key `<name>+<id>+<base64>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Key name.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
}

impl Witness {
    /// Parses a verifier key of type 0x04; `None` when it is malformed or its id is of another key.
    pub fn parse(vkey: &str) -> Option<Self> {
        let mut parts = vkey.splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, STANDARD.decode(parts.next()?).ok()?);
        let (&COSIGNATURE, bytes) = key.split_first()? else { return None };
        let public = PublicKey::from_bytes(<&[u8; 32]>::try_from(bytes).ok()?).ok()?;
        let hash = Sha256::new().chain_update(name).chain_update([b'\n']).chain_update(&key).finalize();
        let expected: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        (!name.is_empty() && expected == id).then(|| Self { name: name.to_owned(), key: public })
    }
}

/// What a verifier trusts and requires.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The cities.
    pub cities: Vec<City>,
    /// Witnesses whose cosignatures count.
    pub witnesses: Vec<Witness>,
    /// How many of them are needed.
    pub quorum: usize,
    /// What must be established, in the order of the statements.
    pub require: Vec<Statement>,
}

/// Why a file is no policy.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The gate refuses it.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// It is not valid by its schema, or by the rules beyond it.
    #[error("{} violations", .0.len())]
    Invalid(Vec<Violation>),
}

impl Policy {
    /// Reads a policy in any layout of JSON: gate, schema, then the rules that a schema cannot say.
    ///
    /// # Errors
    /// What the gate refuses; all violations.
    pub fn read(bytes: &[u8]) -> Result<Self, PolicyError> {
        let document = scan(canonical::canonicalize(bytes, MAX_POLICY_LEN)?, MAX_POLICY_LEN)?;
        let violations = validate(SchemaName::Policy, &document);
        if !violations.is_empty() {
            return Err(PolicyError::Invalid(violations));
        }
        let mut wrong = Vec::new();
        let root = document.root();
        let items = |name: &str| root.member(name).map(|list| list.items().collect::<Vec<_>>()).unwrap_or_default();
        let cities = cities(&items("cities"), &mut wrong);
        let witnesses = witnesses(&items("witnesses"), &mut wrong);
        let quorum =
            root.member("quorum").and_then(|item| usize::try_from(item.as_integer()?).ok()).unwrap_or(usize::MAX);
        let named: BTreeSet<Statement> =
            items("require").iter().filter_map(|item| Statement::from_code(&item.as_str()?)).collect();
        if quorum > witnesses.len() {
            wrong.push(violation(
                "/quorum",
                "policy/quorum",
                "门限不能超过见证方的数目",
                "the quorum is more than there are witnesses",
            ));
        }
        if named.contains(&Statement::Witnessed) && quorum == 0 {
            wrong.push(violation(
                "/quorum",
                "policy/quorum",
                "要求 witnessed 时，门限至少为 1",
                "where witnessed is required, the quorum is at least 1",
            ));
        }
        if wrong.is_empty() {
            Ok(Self { cities, witnesses, quorum, require: named.into_iter().collect() })
        } else {
            Err(PolicyError::Invalid(wrong))
        }
    }
    /// The city of an issuer.
    pub fn city(&self, did: &str) -> Option<&City> {
        self.cities.iter().find(|city| city.did.as_str() == did)
    }
}

fn cities(items: &[Item<'_>], wrong: &mut Vec<Violation>) -> Vec<City> {
    let mut found: Vec<City> = Vec::new();
    for (nth, item) in items.iter().enumerate() {
        let text = |name: &str| item.member(name).and_then(|item| item.as_str());
        let city = text("origin").and_then(|origin| Origin::parse(&origin).ok()).and_then(|origin| {
            let did = Did::parse(&text("did")?).ok()?;
            Some(City { did, origin, fingerprint: Digest::parse(&text("fingerprint")?).ok()? })
        });
        let at = |member: &str| format!("/cities/{nth}/{member}");
        let Some(city) = city else {
            wrong.push(violation(
                &at("origin"),
                "policy/origin",
                "不是可用的 origin 或 did",
                "no usable origin or DID",
            ));
            continue;
        };
        if Did::from_authority(city.origin.authority()).ok().as_ref() != Some(&city.did) {
            wrong.push(violation(
                &at("did"),
                "policy/did",
                "did 与 origin 不是同一主机",
                "DID and origin do not name one host",
            ));
        }
        if found.iter().any(|other| other.did == city.did || other.origin == city.origin) {
            wrong.push(violation(&at("did"), "policy/twice", "同一城市列了两次", "a city stands twice"));
        }
        found.push(city);
    }
    found
}

fn witnesses(items: &[Item<'_>], wrong: &mut Vec<Violation>) -> Vec<Witness> {
    let mut found: Vec<Witness> = Vec::new();
    for (nth, item) in items.iter().enumerate() {
        let at = format!("/witnesses/{nth}");
        match item.as_str().and_then(|vkey| Witness::parse(&vkey)) {
            Some(witness) if found.iter().any(|other| other.name == witness.name) => {
                wrong.push(violation(&at, "policy/twice", "同一见证方列了两次", "a witness stands twice"));
            }
            Some(witness) => found.push(witness),
            None => wrong.push(violation(
                &at,
                "policy/witness",
                "不是 C2SP 见证公钥（名称+编号+公钥）",
                "no verifier key of C2SP signed-note (name+id+key)",
            )),
        }
    }
    found
}

fn violation(pointer: &str, rule: &str, zh: &str, en: &str) -> Violation {
    Violation { pointer: pointer.to_owned(), rule: rule.to_owned(), message: Text::new(zh, en) }
}

/// A policy to start from: made-up cities, or the given ones, and what is required by default.
pub fn template(cities: &[City]) -> Value {
    let example = City {
        did: Did::parse("did:web:hefu.kunming.example").expect("a DID of our own"),
        origin: Origin::parse("hefu.kunming.example").expect("an origin of our own"),
        fingerprint: Digest([0; 32]),
    };
    let row = |city: &City| json!({"did": city.did.as_str(), "origin": city.origin.as_str(), "fingerprint": city.fingerprint.to_string()});
    let cities: Vec<Value> = if cities.is_empty() { vec![row(&example)] } else { cities.iter().map(row).collect() };
    let require: Vec<&str> = Statement::DEFAULT.iter().map(|statement| statement.code()).collect();
    json!({"cities": cities, "witnesses": [], "quorum": 0, "require": require})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(policy: &Value) -> Vec<String> {
        match Policy::read(policy.to_string().as_bytes()) {
            Ok(_) => Vec::new(),
            Err(PolicyError::Invalid(violations)) => {
                violations.iter().map(|v| format!("{} {}", v.pointer, v.rule)).collect()
            }
            Err(PolicyError::Gate(error)) => vec![error.to_string()],
        }
    }

    #[test]
    fn the_template_is_a_policy() {
        let policy = Policy::read(serde_json::to_string_pretty(&template(&[])).unwrap().as_bytes()).unwrap();
        assert!(policy.city("did:web:hefu.kunming.example").is_some() && policy.city("did:web:x.example").is_none());
        assert_eq!((policy.require, policy.quorum), (Statement::DEFAULT.to_vec(), 0));
    }

    #[test]
    fn a_typing_error_never_widens_trust() {
        let good = || template(&[]);
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut policy = good();
            change(&mut policy);
            rules(&policy)
        };
        assert_eq!(changed(&|_| ()), Vec::<String>::new());
        type Change<'a> = &'a dyn Fn(&mut Value);
        let cases: [(Change<'_>, &str); 11] = [
            (&|p| p["cities"] = json!([]), "/cities minItems"),
            (&|p| p["citys"] = json!([]), "/citys additionalProperties"),
            (&|p| p["cities"][0]["fingerprint"] = json!("ab"), "/cities/0/fingerprint pattern"),
            (&|p| p["cities"][0]["did"] = json!("did:web:other.example"), "/cities/0/did policy/did"),
            (&|p| p["cities"] = json!([p["cities"][0], p["cities"][0]]), "/cities uniqueItems"),
            (&|p| p["quorum"] = json!(1), "/quorum policy/quorum"),
            (&|p| p["require"] = json!(["integrity", "issuer"]), "/require contains"),
            (&|p| p["require"][3] = json!("schemas"), "/require/3 enum"),
            (&|p| p["witnesses"] = json!(["w.example+00000000+AAAA"]), "/witnesses/0 policy/witness"),
            (&|p| p["require"].as_array_mut().unwrap().push(json!("witnessed")), "/quorum policy/quorum"),
            (&|p| _ = p.as_object_mut().unwrap().remove("require"), "/require required"),
        ];
        for (change, expected) in cases {
            let found = changed(change);
            assert!(found.iter().any(|rule| rule == expected), "{expected}: {found:?}");
        }
        let mut twice = good();
        let mut same = twice["cities"][0].clone();
        same["fingerprint"] = json!("1".repeat(64));
        twice["cities"].as_array_mut().unwrap().push(same);
        assert_eq!(rules(&twice), ["/cities/1/did policy/twice"]);
        let duplicate = good().to_string().replacen("{\"cities\"", "{\"quorum\":0,\"cities\"", 1);
        assert!(matches!(Policy::read(duplicate.as_bytes()), Err(PolicyError::Gate(_))));
    }

    #[test]
    fn witnesses_are_verifier_keys() {
        const VKEY: &str = "w.example/witness+c3d0ec2f+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
        assert_eq!(Witness::parse(VKEY).unwrap().name, "w.example/witness");
        for wrong in
            ["", "w.example", &VKEY.replace("+BNda", "+Adda"), &VKEY.replace("w.", "x."), &VKEY[..VKEY.len() - 4]]
        {
            assert_eq!(Witness::parse(wrong), None, "{wrong}");
        }
        let mut policy = template(&[]);
        policy["witnesses"] = json!([VKEY]);
        policy["quorum"] = json!(1);
        policy["require"].as_array_mut().unwrap().push(json!("witnessed"));
        let read = Policy::read(policy.to_string().as_bytes()).unwrap();
        assert_eq!((read.witnesses.len(), read.quorum), (1, 1));
        assert!(read.require.contains(&Statement::Witnessed));
    }
}
