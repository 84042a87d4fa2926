//! The two flows from end to end.

mod demo;
mod federation;
mod flaws;
mod guard;
mod moving;
mod postgres;
mod publish;
mod pull;
mod recognition;
mod servers;
mod silence;
mod tally;
mod upgrade;

use hefu_tests::TestFederation;
use hefu_tests::faulty::Faults;

/// Two cities with an agreement in force.
async fn two() -> TestFederation {
    TestFederation::new(&["530100", "510100"]).await
}

/// Opens a city's node anew on a store whose calls a test can count, hold and let fail.
async fn with_faults(federation: &mut TestFederation, n: usize) -> Faults {
    let faults = Faults::of(federation.node(n).dir());
    federation.node_mut(n).close().await;
    federation.node_mut(n).try_open_with(false, |store| faults.around(store)).await.unwrap();
    faults
}
