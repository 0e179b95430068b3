//! Reads a file once, for all handlers that need its bytes.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

/// Bytes in memory at a time, however large the file is.
const PIECE: usize = 64 * 1024;
/// A NUL byte makes a file binary if it is among this many first bytes, as in git.
const HEAD: usize = 8_000;

/// The facts that a file's bytes tell.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) bytes: u64,
    /// Newline bytes, as `wc -l` counts.
    pub(crate) lines: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) is_binary: bool,
}

impl Contents {
    /// Reads the file on a thread that may block: one hand-over for a file, not one for each piece.
    pub(crate) async fn read(path: PathBuf) -> io::Result<Self> {
        spawn_blocking(|| Self::of(File::open(path)?)).await?
    }

    fn of(mut file: impl Read) -> io::Result<Self> {
        let (mut bytes, mut lines, mut is_binary) = (0, 0, false);
        let mut sha256 = Sha256::new();
        let mut piece = vec![0; PIECE];
        loop {
            let read = match file.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => &piece[..read],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if bytes == 0 {
                is_binary = read[..read.len().min(HEAD)].contains(&0);
            }
            bytes += read.len() as u64;
            lines += read.iter().filter(|byte| **byte == b'\n').count() as u64;
            sha256.update(read);
        }
        Ok(Self { bytes, lines, sha256: sha256.finalize().into(), is_binary })
    }
}
