//! The OpenAPI documents say what is there: every route, and nothing else.

use hefu_node::http::{Door, document};
use hefu_tests::TestNode;
use hefu_tests::http::get;
use hefu_tests::local::LocalDoor;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// (method, path) of a document.
fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| -> Vec<(String, String)> {
        let methods =
            item.as_object().unwrap().keys().filter(|key| ["get", "post", "put", "delete"].contains(&key.as_str()));
        methods.map(|method| (method.to_uppercase(), path.clone())).collect()
    };
    paths.iter().flat_map(of_path).collect()
}

/// (method, path) of the routes that a source file registers: `resource("…")` and the `.route(web::method()…)` behind it.
fn registered(file: &str) -> BTreeSet<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/src/http").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let mut found = BTreeSet::new();
    for part in text.split("web::resource(\"").skip(1) {
        let (pattern, rest) = part.split_once('"').unwrap();
        for method in ["get", "post", "put", "delete", "patch"] {
            if rest.contains(&format!("web::{method}()")) {
                // A tail of a path is one parameter in the document.
                let path = pattern.replace("{path:.*}", "{path}");
                found.insert((method.to_uppercase(), path));
            }
        }
    }
    assert!(!found.is_empty(), "{file}");
    found
}

#[test]
fn every_route_is_documented_and_every_document_is_true() {
    let local: Value = serde_json::from_str(&document(Door::Local, "/").unwrap()).unwrap();
    assert_eq!(documented(&local), registered("local.rs"));
    let public: Value = serde_json::from_str(&document(Door::Public, "/").unwrap()).unwrap();
    let mut routes: BTreeSet<_> = ["identity.rs", "log.rs", "agreements.rs"].into_iter().flat_map(registered).collect();
    // One route with a tail, two resources of C2SP tlog-tiles.
    assert!(routes.remove(&("GET".to_owned(), "/{path:tile/.*}".to_owned())));
    for path in ["/tile/{level}/{index}", "/tile/entries/{index}"] {
        routes.insert(("GET".to_owned(), path.to_owned()));
    }
    assert_eq!(documented(&public), routes);
}

#[test]
fn documents_are_whole() {
    for door in [Door::Local, Door::Public] {
        let text = document(door, "/").unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["openapi"], json!("3.1.0"));
        for part in text.split("\"$ref\": \"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = format!("{method} {path}");
                assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}");
                let problem = &operation["responses"]["default"]["content"]["application/problem+json"]["schema"];
                assert_eq!(problem["$ref"], json!("#/components/schemas/Problem"), "{name}");
                let good = operation["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2'));
                assert!(good && operation["summary"].is_string(), "{name}");
                let named = operation["parameters"]
                    .as_array()
                    .map_or(0, |all| all.iter().filter(|one| one["in"] == "path").count());
                assert_eq!(named, path.matches('{').count(), "{name}");
                if method == "post" && operation["requestBody"].is_object() {
                    for (kind, content) in operation["requestBody"]["content"].as_object().unwrap() {
                        assert!(!content["example"].is_null(), "{name} {kind}");
                    }
                }
                let open = path == "/openapi.json" || door == Door::Public;
                assert!(open || operation["security"][0]["token"].is_array(), "{name} needs a token");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_doors_serve_their_document() {
    let node = TestNode::new("530100").await;
    let answer = get(&node, "/openapi.json").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "max-age=300");
    assert_eq!(answer.json()["servers"][0]["url"], json!(node.url));
    let door = LocalDoor::open(&node);
    let local = door.get("none", "/openapi.json").await;
    assert_eq!(local.json(), serde_json::from_str::<Value>(&document(Door::Local, "/").unwrap()).unwrap());
    door.close().await;
}
