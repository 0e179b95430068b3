//! A disk that fails as disks do: it forgets unsynced bytes, tears, fills up, fails, stalls.

use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use busway_journal::{Segment, Storage};

/// A handle to a disk. Clones share the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<(Mutex<Platter>, Condvar)>);

#[derive(Debug, Default)]
pub(crate) struct Platter {
    pub(crate) segments: BTreeMap<Segment, Bytes>,
    /// Operations that fail from now on.
    pub(crate) fails: Faults,
    /// The number of bytes that fit.
    pub(crate) capacity: Option<usize>,
    /// Whether writes wait.
    pub(crate) stalls: bool,
    /// The number of waiting writes.
    waiting: usize,
    pub(crate) appends: usize,
    pub(crate) syncs: usize,
    /// The most lines that one sync brought to disk.
    pub(crate) largest_sync: usize,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) append: bool,
    pub(crate) sync: bool,
    pub(crate) rotate: bool,
    pub(crate) truncate: bool,
    /// With the next write, the active segment is gone.
    pub(crate) vanish: bool,
    pub(crate) panics: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Bytes {
    pub(crate) bytes: Vec<u8>,
    pub(crate) synced: usize,
}

impl Disk {
    /// A disk with one segment, all of it synced.
    pub(crate) fn with(bytes: &[u8]) -> Self {
        let disk = Self::default();
        let bytes = Bytes { bytes: bytes.into(), synced: bytes.len() };
        disk.look().segments.insert(Segment::Active, bytes);
        disk
    }

    pub(crate) fn look(&self) -> MutexGuard<'_, Platter> {
        self.0.0.lock().unwrap()
    }

    /// The number of holders of this disk, such as a journal's thread.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// The bytes of the active segment.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.look().segments.get(&Segment::Active).map(|it| it.bytes.clone()).unwrap_or_default()
    }

    /// The lines of all segments.
    pub(crate) fn lines(&self) -> Vec<String> {
        let segments = self.look().segments.clone();
        let texts = segments.into_values().map(|it| String::from_utf8(it.bytes).unwrap());
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// The disk after a power loss: unsynced bytes are gone, except this many.
    pub(crate) fn after_power_loss(&self, kept: usize) -> Self {
        let mut segments = self.look().segments.clone();
        for segment in segments.values_mut() {
            segment.bytes.truncate(segment.synced + kept);
        }
        let disk = Self::default();
        disk.look().segments = segments;
        disk
    }

    /// Holds writes back until [`go`](Self::go).
    pub(crate) fn stall(&self) {
        self.look().stalls = true;
    }

    pub(crate) fn go(&self) {
        self.look().stalls = false;
        self.0.1.notify_all();
    }

    /// Blocks until a write is being held back.
    pub(crate) fn wait_for_a_stalled_write(&self) {
        let state = self.look();
        drop(self.0.1.wait_while(state, |state| state.waiting == 0).unwrap());
    }

    fn pass(&self) -> MutexGuard<'_, Platter> {
        let mut state = self.look();
        state.waiting += 1;
        self.0.1.notify_all();
        let mut state = self.0.1.wait_while(state, |state| state.stalls).unwrap();
        state.waiting -= 1;
        state
    }
}

fn fault(fails: bool) -> io::Result<()> {
    if fails { Err(io::Error::other("the disk is broken")) } else { Ok(()) }
}

impl Storage for Disk {
    fn list(&mut self) -> io::Result<Vec<Segment>> {
        Ok(self.look().segments.keys().copied().collect())
    }

    fn read(&mut self, segment: Segment) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.look().segments.get(&segment).ok_or(ErrorKind::NotFound)?.bytes.clone();
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn truncate(&mut self, segment: Segment, len: u64) -> io::Result<()> {
        let mut state = self.look();
        fault(state.fails.truncate)?;
        let segment = state.segments.get_mut(&segment).ok_or(ErrorKind::NotFound)?;
        segment.bytes.truncate(len as usize);
        segment.synced = segment.synced.min(len as usize);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.pass();
        state.appends += 1;
        if state.fails.panics {
            drop(state);
            panic!("the disk exploded");
        }
        let room = state.capacity.map_or(usize::MAX, |capacity| {
            capacity.saturating_sub(state.segments.values().map(|it| it.bytes.len()).sum())
        });
        // A failed write may have written part of it.
        let written = match state.fails.append {
            true => bytes.len() / 2,
            false => bytes.len().min(room),
        };
        if state.fails.vanish {
            state.segments.remove(&Segment::Active);
            return fault(true);
        }
        let segment = state.segments.entry(Segment::Active).or_default();
        segment.bytes.extend_from_slice(&bytes[..written]);
        fault(state.fails.append)?;
        if written < bytes.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        // The threads of an executor never do disk work (R43).
        assert_eq!(std::thread::current().name(), Some("busway-journal"));
        let mut state = self.look();
        state.syncs += 1;
        fault(state.fails.sync)?;
        if let Some(segment) = state.segments.get_mut(&Segment::Active) {
            let new = &segment.bytes[segment.synced..];
            let lines = new.iter().filter(|byte| **byte == b'\n').count();
            segment.synced = segment.bytes.len();
            state.largest_sync = state.largest_sync.max(lines);
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        let mut state = self.look();
        fault(state.fails.rotate)?;
        let number = state.segments.len() as u32;
        if let Some(active) = state.segments.remove(&Segment::Active) {
            state.segments.insert(Segment::Closed(number), active);
        }
        Ok(())
    }

    fn path(&self, segment: Segment) -> PathBuf {
        PathBuf::from(format!("{segment:?}"))
    }
}
