//! What happens to sessions and accounts: [`Event`].

mod event;

pub use self::event::Event;
