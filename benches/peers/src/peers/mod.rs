//! One file for each peer.

pub mod abxbus;
pub mod actix;
pub mod bare;
pub mod busway;
pub mod kameo;
pub mod least;
pub mod mpsc;
pub mod ractor;
pub mod xtra;
