//! A wire that counts: TCP between two nodes passes through here, byte for byte.

use crate::Failure;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes carried at a time: few calls for large pages.
const BUFFER_LEN: usize = 256 * 1024;

/// A port that leads to another one.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    carried: Arc<AtomicU64>,
    leads: Arc<AtomicBool>,
}

impl Proxy {
    /// Opens a port that leads to `target`, for as long as this process lives.
    pub(crate) fn open(target: u16) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let carried = Arc::new(AtomicU64::new(0));
        let leads = Arc::new(AtomicBool::new(false));
        let (counter, open) = (carried.clone(), leads.clone());
        std::thread::spawn(move || {
            for inward in listener.incoming().flatten() {
                // Behind it is a listener that stays when its node stops: who came then would wait for an answer in vain.
                if !open.load(Ordering::Relaxed) {
                    continue;
                }
                let Ok(outward) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
                for (from, to) in [(inward.try_clone(), outward.try_clone()), (Ok(outward), Ok(inward))] {
                    let counter = counter.clone();
                    if let (Ok(from), Ok(to)) = (from, to) {
                        std::thread::spawn(move || carry(from, to, &counter));
                    }
                }
            }
        });
        Ok(Self { port, carried, leads })
    }

    /// Whether it leads anywhere; else connections are closed, much as if they were refused.
    pub(crate) fn lead(&self, leads: bool) {
        self.leads.store(leads, Ordering::Relaxed);
    }

    /// Bytes carried so far, in both directions.
    pub(crate) fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, counter: &AtomicU64) {
    let mut buffer = vec![0; BUFFER_LEN];
    let _ = to.set_nodelay(true);
    while let Ok(len) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..len).filter(|bytes| !bytes.is_empty()) else { break };
        counter.fetch_add(u64::try_from(len).unwrap_or(0), Ordering::Relaxed);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
