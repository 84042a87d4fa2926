//! Names and addresses that lead into our own network: no connection is made.

use hefu_node::problem::Code;
use hefu_node::propose::add_peer;
use hefu_schemas::id::Digest;
use hefu_tests::{TestNode, check_log};
use std::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_to_ourselves_are_not_connected_to() {
    let mut node = TestNode::init_with("530100", |config| config.allow_private_addresses = false).await;
    node.open().await;
    let trap = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    for host in [
        "localhost",
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        let url = format!("https://{host}:{port}");
        let problem = add_peer(node.node(), &url, &Digest([7; 32]), None).await.expect_err(host);
        assert!(matches!(problem.code, Code::PeerUnavailable | Code::BadRequest), "{host}: {problem}");
        if problem.code == Code::PeerUnavailable {
            assert!(problem.detail.contains("private address"), "{host}: {problem}");
        }
        super::assert_one_sentence(&problem);
        assert!(trap.accept().is_err(), "{host}: somebody connected");
    }
    assert_eq!(node.node().peers().await.unwrap(), []);
    check_log(node.node()).await;
}
