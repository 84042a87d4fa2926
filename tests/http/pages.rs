//! Pages for people about the released files.

use hefu_tests::TestNode;
use hefu_tests::http::{Answer, client, get};
use reqwest::Method;

const KINDS: [&str; 8] = [
    "student-status",
    "enrollment-connection",
    "qualification-recognition",
    "withdrawal",
    "agreement",
    "policy",
    "verdict",
    "envelope",
];

/// What every page says of itself.
fn assert_page(path: &str, answer: &Answer) {
    assert_eq!(answer.status.as_u16(), 200, "{path}");
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "max-age=300"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ];
    for (name, value) in headers {
        assert_eq!(answer.header(name), value, "{path}: {name}");
    }
    let policy = answer.header("content-security-policy");
    for part in
        ["default-src 'none'", "style-src 'sha256-", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{path}: {part} in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{path}: {policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_about_the_schemas_are_served_with_a_policy_that_allows_nothing_else() {
    let node = TestNode::new("530100").await;
    let paths = KINDS.iter().map(|kind| format!("/schemas/{kind}/"));
    for path in paths.chain(["/schemas/".to_owned(), "/schemas/codes/".to_owned()]) {
        let answer = get(&node, &path).await;
        assert_page(&path, &answer);
        let page = String::from_utf8(answer.body.clone()).unwrap();
        assert!(
            page.starts_with("<!doctype html>") && page.contains("lang=\"zh-Hans\"") && page.contains("lang=\"en\"")
        );
        assert!(!page.contains("<script"), "{path}");
        let head = client().request(Method::HEAD, format!("{}{path}", node.url)).send().await.unwrap();
        let head = Answer::read(head).await;
        assert_page(&path, &head);
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(head.header("content-length"), answer.body.len().to_string(), "{path}");
        assert_eq!(get(&node, &path).await.body, answer.body, "{path}: the same each time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_names_is_what_the_node_serves() {
    let node = TestNode::new("530100").await;
    let index = String::from_utf8(get(&node, "/schemas/").await.body).unwrap();
    for kind in KINDS {
        let file = get(&node, &format!("/schemas/{kind}/v1.schema.json")).await;
        assert_eq!(file.header("content-type"), "application/schema+json");
        let digest = hefu_schemas::id::Digest::of(&file.body).to_string();
        let page = String::from_utf8(get(&node, &format!("/schemas/{kind}/")).await.body).unwrap();
        assert!(index.contains(&digest) && page.contains(&digest), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_not_there() {
    let node = TestNode::new("530100").await;
    for path in [
        "/schemas/weather/",
        "/schemas/codes/status/",
        "/schemas/student-status/index.html",
        "/schemas/%3Cscript%3E/",
        "/schemas//student-status/",
    ] {
        let answer = get(&node, path).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not-found"), "{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("script"), "{path}");
    }
    let post = client().request(Method::POST, format!("{}/schemas/", node.url)).send().await.unwrap();
    assert_eq!(Answer::read(post).await.status.as_u16(), 405);
}
