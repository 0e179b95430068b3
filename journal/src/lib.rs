//! Events of the busway event bus on disk.

mod error;
mod files;
mod journal;
mod line;
mod queue;
mod read;
mod recover;
mod replay;
mod settings;
mod storage;
mod text;
mod time;
mod unfinished;
mod writer;

pub use self::error::{Damage, JournalError, OpenError, ReadError, ReservedKey};
pub use self::files::{Files, segments};
pub use self::journal::Journal;
pub use self::line::{Kind, Line};
pub use self::read::Torn;
pub use self::recover::{RecoverError, Recovered, Redispatched, Types};
pub use self::replay::{Replay, ReplayError, ReplayOf};
pub use self::settings::{JournalBuilder, Mode, Sync};
pub use self::storage::{Segment, Storage};
pub use self::unfinished::Unfinished;
