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

/// Two cities with an agreement in force.
async fn two() -> TestFederation {
    TestFederation::new(&["530100", "510100"]).await
}
