//! The cities of the demonstration: area codes and education offices as data.
use hefu_schemas::id::{Did, InvalidId, Origin};
use hefu_schemas::text::Text;

/// An education office that states facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Office {
    /// Area code, GB/T 2260.
    pub code: String,
    /// Its name.
    pub name: Text,
}

/// One city of the federation, with the log that speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct City {
    /// Area code, GB/T 2260.
    pub code: String,
    /// Its name.
    pub name: Text,
    /// The node's origin.
    pub origin: Origin,
    /// The node's identity.
    pub did: Did,
    /// The city's own office first, then those of districts.
    pub offices: Vec<Office>,
}

/// Code, Chinese name, English name.
type Row = (&'static str, &'static str, &'static str);
/// A city: its row, what its offices are called, and some of its districts.
type Plan = (Row, (&'static str, &'static str), &'static [Row]);

/// Districts by GB/T 2260; not all of a city, enough for a demonstration.
const PLANS: [Plan; 3] = [
    (
        ("530100", "昆明市", "Kunming"),
        ("教育体育局", "Bureau of Education and Sports"),
        &[
            ("530102", "五华区", "Wuhua District"),
            ("530103", "盘龙区", "Panlong District"),
            ("530111", "官渡区", "Guandu District"),
            ("530112", "西山区", "Xishan District"),
            ("530114", "呈贡区", "Chenggong District"),
        ],
    ),
    (
        ("510100", "成都市", "Chengdu"),
        ("教育局", "Education Bureau"),
        &[
            ("510104", "锦江区", "Jinjiang District"),
            ("510105", "青羊区", "Qingyang District"),
            ("510106", "金牛区", "Jinniu District"),
            ("510107", "武侯区", "Wuhou District"),
            ("510108", "成华区", "Chenghua District"),
        ],
    ),
    (
        ("500000", "重庆市", "Chongqing"),
        ("教育委员会", "Education Commission"),
        &[
            ("500103", "渝中区", "Yuzhong District"),
            ("500105", "江北区", "Jiangbei District"),
            ("500106", "沙坪坝区", "Shapingba District"),
            ("500107", "九龙坡区", "Jiulongpo District"),
            ("500108", "南岸区", "Nan'an District"),
        ],
    ),
];

impl City {
    /// Codes of the cities that are known, in the order of the demonstration.
    pub const CODES: [&'static str; 3] = ["530100", "510100", "500000"];

    /// A city of the demonstration by its code; `None` for another code.
    ///
    /// # Errors
    /// The origin's authority gives no DID.
    pub fn known(code: &str, origin: Origin) -> Result<Option<Self>, InvalidId> {
        let Some(((code, zh, en), (office_zh, office_en), districts)) = PLANS.iter().find(|plan| plan.0.0 == code)
        else {
            return Ok(None);
        };
        let own = (*code, String::new(), *en);
        let offices = std::iter::once(own)
            .chain(districts.iter().map(|(code, zh, en)| (*code, (*zh).to_owned(), *en)))
            .map(|(code, district, en)| Office {
                code: code.to_owned(),
                name: Text::new(format!("{zh}{district}{office_zh}"), format!("{office_en} of {en}")),
            })
            .collect();
        Ok(Some(Self {
            code: (*code).to_owned(),
            name: Text::new(*zh, *en),
            did: Did::from_authority(origin.authority())?,
            origin,
            offices,
        }))
    }

    /// The office of an index, its own one for an index that it has not.
    pub(super) fn office(&self, index: usize) -> Option<&Office> {
        self.offices.get(index).or_else(|| self.offices.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_cities_with_offices_of_their_own() {
        for code in City::CODES {
            let origin = Origin::parse(&format!("c{code}.example:8443")).unwrap();
            let city = City::known(code, origin).unwrap().unwrap();
            assert_eq!(city.code, code);
            assert_eq!(city.did.as_str(), format!("did:web:c{code}.example%3A8443"));
            assert_eq!(city.offices[0].code, code);
            assert!(city.offices.iter().skip(1).all(|office| office.code.starts_with(&code[..2])));
            assert!(city.offices.len() > 3);
        }
        assert_eq!(City::known("110000", Origin::parse("a.example").unwrap()), Ok(None));
    }
}
