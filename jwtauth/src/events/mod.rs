//! What happens to sessions and accounts: [`Event`], and what an audit trail keeps of it: [`EventRecord`].
//!
//! Plain data. `session::reporter` passes each event to the log, the metrics, the hooks of the application
//! and the trail. Where records are kept is in `store::event_store`.

mod event;
mod event_record;
mod hex;
mod trail_check;
mod trail_mark;

pub use self::event::{CopyKind, Event};
pub use self::event_record::{EventDetails, EventRecord, TrailHead};
pub use self::trail_check::{TrailCheck, TrailFault};
pub use self::trail_mark::{NoTrailMark, TrailMark};
