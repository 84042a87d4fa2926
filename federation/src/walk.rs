//! Reading a whole log from outside, without a replica: from its checkpoint and its entry bundles to its root, one bundle at a
//! time. What is kept between two bundles is the right edge of the tree, however long the log is.
//!
//! [`Walk::next`] says which bundle is wanted, [`Walk::take`] judges it, [`Walk::finish`] compares root and signature. Whoever
//! also wants to know that the tiles are as they should be compares them with [`Step::tiles`].
use crate::append::{Head, check_place, plan_data};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::entry::Entry;
use crate::key::Role;
use crate::note::MAX_NOTE_LEN;
use crate::tile::{TILE_WIDTH, TilePath, encode_hashes, split_bundle, tile_width};
use crate::tree::{Hash, MAX_LOG_SIZE};
use crate::trust::{KeyRing, TrustError};
use hefu_schemas::id::Origin;
use hefu_schemas::text::Text;
use thiserror::Error;

/// Why the walk ends before the log does, or why what was read is not the checkpoint's log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum WalkError {
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("the checkpoint is of an empty log, or of one beyond the largest size")]
    Size,
    #[error("entry bundle {index} is not what its path says")]
    Bundle { index: u64 },
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("the log was not read to its end")]
    Unfinished,
    #[error("the entries do not give the root of the checkpoint")]
    Root,
    #[error("no log key is known that is valid for the checkpoint")]
    NoLogKey,
}

/// What is wrong with one entry. The walk goes on behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum Complaint {
    #[error("entry {index} is malformed")]
    Malformed { index: u64 },
    #[error("entry {index} may not stand there: a second genesis, or an `of` that is not earlier")]
    Place { index: u64 },
    #[error("entry {index} is older than the one before")]
    Time { index: u64 },
}

impl WalkError {
    /// For people.
    pub fn text(&self) -> Text {
        let zh = match self {
            Self::Checkpoint(_) => "检查点无法核验".to_owned(),
            Self::Size => "检查点为空日志，或超过最大长度".to_owned(),
            Self::Bundle { index } => format!("第 {index} 个条目包与其路径不符"),
            Self::Trust(TrustError::Fingerprint) => "指纹与核对过的不一致".to_owned(),
            Self::Trust(_) => "首条不能作为该来源日志的起点".to_owned(),
            Self::Unfinished => "日志未读到末尾".to_owned(),
            Self::Root => "各条目算出的根与检查点不一致".to_owned(),
            Self::NoLogKey => "没有对该检查点有效的日志密钥".to_owned(),
        };
        Text::new(zh, self.to_string())
    }
}

impl Complaint {
    /// For people.
    pub fn text(&self) -> Text {
        let zh = match self {
            Self::Malformed { index } => format!("第 {index} 条格式有误"),
            Self::Place { index } => format!("第 {index} 条不能处于该位置：重复的首条，或 of 不在其前"),
            Self::Time { index } => format!("第 {index} 条的时间早于前一条"),
        };
        Text::new(zh, self.to_string())
    }
}

/// What one bundle brought.
#[derive(Debug, Default)]
pub struct Step {
    /// The entries that could be read, with their indexes, in order.
    pub entries: Vec<(u64, Entry)>,
    /// What is wrong with the others.
    pub complaints: Vec<Complaint>,
    /// The tiles of hashes that are now as wide as the checkpoint has them, with the bytes that they must have.
    pub tiles: Vec<(TilePath, Vec<u8>)>,
}

/// A log that was read to its end and is what its checkpoint says.
#[derive(Debug)]
pub struct Walked {
    /// Its size and root, signed.
    pub checkpoint: Checkpoint,
    /// `t` of the last entry.
    pub t: i64,
    /// The keys that its entries say.
    pub ring: KeyRing,
}

/// A walk through a log.
#[derive(Debug)]
pub struct Walk {
    origin: Origin,
    fingerprint: Hash,
    note: Vec<u8>,
    stated: Checkpoint,
    head: Head,
    ring: Option<KeyRing>,
}

impl Walk {
    /// Begins with a note whose signature nobody can judge yet: the key stands in the log.
    ///
    /// # Errors
    /// It is no checkpoint of this origin, or of an absurd size.
    pub fn begin(note: &[u8], origin: &Origin, fingerprint: &Hash) -> Result<Self, WalkError> {
        let stated = unverified(note)?;
        if stated.origin != origin.as_str() {
            return Err(CheckpointError::Origin.into());
        }
        if stated.size == 0 || stated.size > MAX_LOG_SIZE {
            return Err(WalkError::Size);
        }
        let (origin, fingerprint, note) = (origin.clone(), *fingerprint, note.to_vec());
        Ok(Self { origin, fingerprint, note, stated, head: Head::default(), ring: None })
    }
    /// What the note says, not verified yet.
    pub fn stated(&self) -> &Checkpoint {
        &self.stated
    }
    /// Entries read so far.
    pub fn size(&self) -> u64 {
        self.head.size()
    }
    /// The bundle to be taken next; `None` at the end of the log.
    pub fn next(&self) -> Option<TilePath> {
        self.upcoming(1).pop()
    }
    /// The bundles to be taken next, at most so many: for whoever fetches ahead.
    pub fn upcoming(&self, most: usize) -> Vec<TilePath> {
        // A bundle is taken whole: between two of them the size is a multiple of 256, or the checkpoint's.
        let bundles = self.head.size().div_ceil(TILE_WIDTH)..self.stated.size.div_ceil(TILE_WIDTH);
        let path = |index| TilePath::Entries { index, width: tile_width(self.stated.size, 0, index) };
        bundles.take(most).map(path).collect()
    }
    /// Takes the bundle that [`next`](Self::next) named.
    ///
    /// # Errors
    /// It cannot be read as that bundle; entry 0 does not found this log.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Step, WalkError> {
        let Some(TilePath::Entries { index, width }) = self.next() else { return Err(WalkError::Size) };
        let damaged = WalkError::Bundle { index };
        let data = split_bundle(bytes, width).map_err(|_| damaged.clone())?;
        if let (None, Some(first)) = (&self.ring, data.first()) {
            self.ring = Some(KeyRing::found(first, &self.origin, &self.fingerprint)?);
        }
        let (mut step, mut t) = (Step::default(), self.head.t);
        for (index, data) in (self.head.size()..).zip(&data) {
            t = self.read(index, data, t, &mut step);
        }
        let data = data.into_iter().map(<[u8]>::to_vec).collect();
        let plan = plan_data(&self.head, data, t).map_err(|_| damaged)?;
        for tile in plan.tiles {
            let width = tile_width(self.stated.size, tile.level, tile.index);
            if tile.hashes.len() == usize::from(width) {
                let path = TilePath::Hashes { level: tile.level, index: tile.index, width };
                step.tiles.push((path, encode_hashes(&tile.hashes)));
            }
        }
        self.head = plan.head;
        Ok(step)
    }
    /// Reads one entry; the time that the next one may not be before.
    fn read(&mut self, index: u64, data: &[u8], t: i64, step: &mut Step) -> i64 {
        let Ok(entry) = Entry::parse(data) else {
            step.complaints.push(Complaint::Malformed { index });
            return t;
        };
        if check_place(&entry.body, index).is_err() {
            step.complaints.push(Complaint::Place { index });
        }
        if entry.t < t {
            step.complaints.push(Complaint::Time { index });
        }
        if let Some(ring) = &mut self.ring {
            ring.observe(index, &entry);
        }
        let t = t.max(entry.t);
        step.entries.push((index, entry));
        t
    }
    /// The end of the log: the root that its entries give, and the signature by the log key that they name.
    ///
    /// # Errors
    /// It was not read to its end; root or signature differ.
    pub fn finish(self) -> Result<Walked, WalkError> {
        let ring = self.ring.filter(|_| self.head.size() == self.stated.size).ok_or(WalkError::Unfinished)?;
        // A note of size n needs the log key that is valid at n − 1 (protocol §3).
        let key = ring.current(Role::Log, self.stated.size).ok_or(WalkError::NoLogKey)?;
        let checkpoint = Checkpoint::open(&self.note, &self.origin, key)?;
        if self.head.root() != checkpoint.root {
            return Err(WalkError::Root);
        }
        Ok(Walked { checkpoint, t: self.head.t, ring })
    }
}

/// The body of a note whose signatures nobody has looked at: everything up to the blank line.
fn unverified(note: &[u8]) -> Result<Checkpoint, CheckpointError> {
    if note.len() > MAX_NOTE_LEN {
        return Err(CheckpointError::Body);
    }
    let text = std::str::from_utf8(note).map_err(|_| CheckpointError::Body)?;
    let end = text.find("\n\n").ok_or(CheckpointError::Body)?;
    Checkpoint::parse(text.get(..=end).ok_or(CheckpointError::Body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::append::{Plan, plan};
    use crate::entry::tests::sample_genesis;
    use crate::entry::{Audience, Body};
    use crate::key::SecretKey;
    use crate::tile::push_entry;
    use crate::tree::leaf_hash;

    const SIZE: u16 = 600;

    struct Log {
        origin: Origin,
        fingerprint: Hash,
        note: Vec<u8>,
        data: Vec<Vec<u8>>,
        plan: Plan,
    }
    /// The genesis of `sample_genesis(1)` with a log key of our own.
    fn log() -> Log {
        let key = SecretKey::from_seed(&[77; 32]);
        let genesis = crate::entry::Genesis { log: key.public(), ..sample_genesis(1) };
        let origin = genesis.origin.clone();
        let mut batch = vec![Body::Genesis(Box::new(genesis))];
        batch.extend((1..SIZE).map(|n| Body::Record { c: leaf_hash(&n.to_be_bytes()).0, a: Audience::Holder }));
        let plan = plan(&Head::default(), batch, 9).unwrap();
        let data: Vec<Vec<u8>> = plan.entries.iter().map(|entry| entry.data.clone()).collect();
        let checkpoint = Checkpoint { origin: origin.to_string(), size: SIZE.into(), root: plan.head.root() };
        let note = checkpoint.sign(&key).unwrap().into_bytes();
        Log { fingerprint: leaf_hash(&data[0]), origin, note, data, plan }
    }
    fn bundle(data: &[Vec<u8>], path: TilePath) -> Vec<u8> {
        let TilePath::Entries { index, width } = path else { unreachable!() };
        let from = usize::try_from(index * TILE_WIDTH).unwrap();
        let mut bytes = Vec::new();
        data[from..from + usize::from(width)].iter().for_each(|data| push_entry(&mut bytes, data));
        bytes
    }
    fn walk(log: &Log, data: &[Vec<u8>]) -> (Vec<Step>, Result<Walked, WalkError>) {
        let mut walk = Walk::begin(&log.note, &log.origin, &log.fingerprint).unwrap();
        let mut steps = Vec::new();
        while let Some(path) = walk.next() {
            match walk.take(&bundle(data, path)) {
                Ok(step) => steps.push(step),
                Err(error) => return (steps, Err(error)),
            }
        }
        (steps, walk.finish())
    }

    #[test]
    fn a_whole_log_gives_its_root_and_every_tile() {
        let log = log();
        let (steps, walked) = walk(&log, &log.data);
        let walked = walked.unwrap();
        assert_eq!((walked.checkpoint.size, walked.t, walked.checkpoint.root), (600, 9, log.plan.head.root()));
        assert_eq!(steps.iter().map(|step| step.entries.len()).sum::<usize>(), 600);
        assert!(steps.iter().all(|step| step.complaints.is_empty()));
        let tiles: Vec<_> = steps.iter().flat_map(|step| &step.tiles).map(|(path, _)| path.to_string()).collect();
        assert_eq!(tiles, ["tile/0/000", "tile/0/001", "tile/1/000.p/2", "tile/0/002.p/88"]);
    }

    #[test]
    fn other_entries_do_not_give_the_root() {
        let log = log();
        for at in [1, 300, 599] {
            let mut data = log.data.clone();
            data[at] = Entry { t: 9, body: Body::Record { c: [0; 32], a: Audience::Holder } }.write().unwrap();
            assert_eq!(walk(&log, &data).1.unwrap_err(), WalkError::Root);
        }
        let mut data = log.data.clone();
        data.swap(3, 4);
        assert_eq!(walk(&log, &data).1.unwrap_err(), WalkError::Root);
    }

    #[test]
    fn another_first_entry_ends_the_walk_at_once() {
        let log = log();
        let mut data = log.data.clone();
        data[0] = data[1].clone();
        let (steps, walked) = walk(&log, &data);
        assert_eq!((steps.len(), walked.unwrap_err()), (0, WalkError::Trust(TrustError::Fingerprint)));
    }

    #[test]
    fn entries_that_no_log_may_hold_are_named() {
        let log = log();
        let mut data = log.data.clone();
        data[5] = b"{}".to_vec();
        data[6] = Entry { t: 8, body: Body::Record { c: [0; 32], a: Audience::Holder } }.write().unwrap();
        data[7] = Entry { t: 9, body: Body::Amend { c: [0; 32], a: Audience::Holder, of: 7 } }.write().unwrap();
        let (steps, walked) = walk(&log, &data);
        let complaints: Vec<_> = steps.iter().flat_map(|step| step.complaints.clone()).collect();
        let expected = [Complaint::Malformed { index: 5 }, Complaint::Time { index: 6 }, Complaint::Place { index: 7 }];
        assert_eq!((complaints, walked.unwrap_err()), (expected.to_vec(), WalkError::Root));
    }

    #[test]
    fn notes_of_others_and_absurd_ones_are_refused() {
        let log = log();
        let begin = |note: &[u8]| Walk::begin(note, &log.origin, &log.fingerprint).map(|_| ()).unwrap_err();
        let text = String::from_utf8(log.note.clone()).unwrap();
        for size in ["0".to_owned(), (MAX_LOG_SIZE + 1).to_string()] {
            assert_eq!(begin(text.replacen("\n600\n", &format!("\n{size}\n"), 1).as_bytes()), WalkError::Size);
        }
        let elsewhere = text.replacen(log.origin.as_str(), "else.example", 1);
        assert_eq!(begin(elsewhere.as_bytes()), WalkError::Checkpoint(CheckpointError::Origin));
        for note in [&b""[..], b"\n\n", b"x", &[0xFF; 9], &vec![b'a'; MAX_NOTE_LEN + 1]] {
            assert_eq!(begin(note), WalkError::Checkpoint(CheckpointError::Body));
        }
        // A good body under a signature of nobody.
        let unsigned = Log { note: text.replacen('—', "-", 1).into_bytes(), ..log };
        assert!(matches!(walk(&unsigned, &unsigned.data).1, Err(WalkError::Checkpoint(CheckpointError::Note(_)))));
    }

    #[test]
    fn bundles_that_are_cut_or_longer_are_refused() {
        let log = log();
        let mut walk = Walk::begin(&log.note, &log.origin, &log.fingerprint).unwrap();
        let bytes = bundle(&log.data, walk.next().unwrap());
        for wrong in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat(), b""] {
            assert_eq!(walk.take(wrong).unwrap_err(), WalkError::Bundle { index: 0 });
        }
        assert_eq!(walk.size(), 0);
        walk.take(&bytes).unwrap();
        assert_eq!((walk.size(), walk.finish().unwrap_err()), (256, WalkError::Unfinished));
    }
}
