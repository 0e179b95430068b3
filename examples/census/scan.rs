//! The events of the census and the handlers that answer them.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::sync::Arc;

use busway::{BoxError, Event, EventBus, EventHandle, EventResult, HandlerError};
use tokio::sync::OnceCell;

use crate::contents::Contents;
use crate::language;
use crate::listing::Listing;
use crate::place::Place;
use crate::totals::{FileRecord, Totals};

/// Asks to count one folder and everything below it.
#[derive(Debug, Event)]
#[event(output = Totals)]
pub(crate) struct ScanDir {
    pub(crate) place: Place,
}

impl ScanDir {
    pub(crate) const fn new(place: Place) -> Self {
        Self { place }
    }
}

/// Asks for the facts about one regular file: every handler adds a [`Finding`].
///
/// The first handler that needs the contents reads them, once, in pieces. What it measured on the way
/// is kept here for the others, whether they run after it or beside it.
#[derive(Debug, Event)]
#[event(output = Finding)]
pub(crate) struct ScanFile {
    pub(crate) place: Place,
    contents: OnceCell<Result<Contents, Arc<io::Error>>>,
}

impl ScanFile {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, contents: OnceCell::new() }
    }

    /// Returns the bytes read, once they are.
    pub(crate) fn bytes_read(&self) -> u64 {
        let contents = self.contents.get().and_then(|read| read.as_ref().ok());
        contents.map_or(0, |contents| contents.bytes)
    }

    async fn contents(&self) -> Result<&Contents, Arc<io::Error>> {
        let read = || async { Contents::read(self.place.way()).await.map_err(Arc::new) };
        self.contents.get_or_init(read).await.as_ref().map_err(Arc::clone)
    }
}

/// One fact about a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finding {
    Bytes(u64),
    Lines(u64),
    Sha256([u8; 32]),
    Language(&'static str),
}

/// Something that could not be read; the census goes on without it.
#[derive(Debug, Event)]
pub(crate) struct Unreadable {
    place: Place,
    reason: String,
}

impl fmt::Display for Unreadable {
    /// Quotes and escapes the path: names may hold newlines, or codes that a terminal obeys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unreadable: {:?}: {}", self.place.path(), self.reason)
    }
}

/// Registers the handlers of [`ScanDir`] and [`ScanFile`].
pub(crate) fn register(bus: &EventBus) {
    bus.on(scan_dir);
    bus.on(bytes);
    bus.on(lines);
    bus.on(sha256);
    bus.on(language);
}

async fn bytes(file: EventHandle<ScanFile>) -> Result<Finding, Arc<io::Error>> {
    Ok(Finding::Bytes(file.contents().await?.bytes))
}

async fn lines(file: EventHandle<ScanFile>) -> Result<Finding, Arc<io::Error>> {
    Ok(Finding::Lines(file.contents().await?.lines))
}

async fn sha256(file: EventHandle<ScanFile>) -> Result<Finding, Arc<io::Error>> {
    Ok(Finding::Sha256(file.contents().await?.sha256))
}

async fn language(file: EventHandle<ScanFile>) -> Result<Finding, Arc<io::Error>> {
    let is_binary = file.contents().await?.is_binary;
    let by_name = || language::of(file.place.path());
    Ok(Finding::Language(if is_binary { language::BINARY } else { by_name() }))
}

/// Counts the files batch by batch while the folder is read, then the subfolders, one by one.
///
/// The subfolders' names are kept until the folder is closed again. So the walk holds one open folder,
/// however deep it is, and never more than a batch of files.
async fn scan_dir(dir: EventHandle<ScanDir>) -> Result<Totals, BoxError> {
    let mut totals = Totals::of_folder();
    let mut folders = Vec::new();
    let place = dir.place.anchored().await?;
    let mut listing = Some(Listing::open(place.way()).await?);
    while let Some(open) = listing {
        let (batch, rest) = open.next_batch().await?;
        scan_files(&dir, &place, batch.files, &mut totals).await?;
        for (name, error) in batch.failures {
            report_unreadable(&dir, place.join(name), error.to_string(), &mut totals).await?;
        }
        folders.extend(batch.folders);
        listing = rest;
    }
    for name in folders {
        scan_folder(&dir, place.join(name), &mut totals).await?;
    }
    Ok(totals)
}

/// Dispatches a batch of files side by side, then awaits them all.
async fn scan_files(
    dir: &EventHandle<ScanDir>,
    place: &Place,
    names: Vec<OsString>,
    totals: &mut Totals,
) -> Result<(), BoxError> {
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        files.push(dir.event(ScanFile::new(place.join(name))).parallel().dispatch()?);
    }
    for file in files {
        let file = file.await?;
        match check(&file) {
            Ok(()) => totals.add(&file.results_list()?.into_iter().collect()),
            Err(error) => {
                totals.add(&FileRecord::unreadable());
                report_unreadable(dir, file.place.clone(), error.to_string(), totals).await?;
            }
        }
    }
    Ok(())
}

/// Counts a subfolder, with everything below it, ahead of everything that is queued.
async fn scan_folder(
    dir: &EventHandle<ScanDir>,
    place: Place,
    totals: &mut Totals,
) -> Result<(), BoxError> {
    let folder = dir.run(ScanDir { place }).await?;
    match check(&folder) {
        Ok(()) => totals.merge(folder.result_ref()?),
        Err(error) => {
            totals.merge(&Totals::of_folder());
            report_unreadable(dir, folder.place.clone(), error.to_string(), totals).await?;
        }
    }
    Ok(())
}

async fn report_unreadable(
    dir: &EventHandle<ScanDir>,
    place: Place,
    reason: String,
    totals: &mut Totals,
) -> Result<(), BoxError> {
    totals.unreadable += 1;
    dir.run(Unreadable { place, reason }).await?;
    Ok(())
}

/// Returns the error of the first handler that failed: they all fail for the same reason.
pub(crate) fn check<E: Event>(event: &EventHandle<E>) -> Result<(), HandlerError> {
    event.results().iter().find_map(EventResult::error).map_or(Ok(()), Err)
}
