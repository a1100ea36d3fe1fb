//! Records as bytes, for a store that keeps bytes: `layout (1) ‖ CRC-32 (4) ‖ fields`. The only room that
//! names bincode.
//!
//! Pure. The checksum covers the key that the bytes stand under too, so a record that a damaged page shows
//! under another key is not taken for one. Reading is total: any bytes give a record or a [`RecordError`],
//! with bounded memory.
//!
//! # Layouts
//!
//! Records are always written in the newest layout of their kind. Every layout that was ever written is read,
//! and a record is upgraded when it is read. So a store takes a new layout record by record, whenever a
//! record changes. A record of a layout that is not known yet is a [`RecordError::NewerLayout`], told apart
//! from damage.
//!
//! | record | key holds | layouts |
//! |---|---|---|
//! | session | id | `session/before_v4.rs`, `session/v4.rs` |
//! | token | session, kind | `token_codec.rs` |
//! | account | id | `account_codec.rs` |
//! | event | number | `event_codec.rs` |
//! | head of the audit trail | | `event_codec.rs` |
//! | value | | `value_codec.rs` |
//! | any of these | | `record_codec.rs`, with its key |
//!
//! # A new field
//!
//! One line at the end of the list in the newest layout's file, with a layout number that is one higher. The
//! bytes of a layout are its fields, one after the other, so an older record ends before the new field, which
//! keeps the value that the record's constructor gives it. Neither move nor change a line: what it says
//! stands on disks. A field that goes, or changes its type, needs a new file.
//!
//! The user's own value inside a session is JSON, because its type changes between releases of an application
//! and uses serde attributes.

mod account_codec;
mod event_codec;
mod field;
mod frame;
mod record_codec;
mod session;
mod token_codec;
mod totals;
mod value_codec;

pub(in crate::store) use self::account_codec::name_in;
pub use self::account_codec::{decode_account, encode_account};
pub use self::event_codec::{decode_event, decode_trail_head, encode_event, encode_trail_head};
pub use self::frame::{MAX_RECORD, RecordError};
pub(crate) use self::frame::{checksum_of, layout_of};
pub(crate) use self::record_codec::{decode_key, decode_record, encode_key, encode_record};
pub(crate) use self::session::session_len;
pub use self::session::{decode_session, encode_session};
pub use self::token_codec::{decode_token, encode_token};
pub(super) use self::totals::{Totals, decode_totals, encode_totals};
pub use self::value_codec::{decode_value, encode_value};
