//! Tests of the whole product: nodes that really run, in this process or as the real binary.

#[cfg(test)]
mod cli;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod http;
#[cfg(test)]
mod storage;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tidy;
