//! What strangers can take, and what the log says to whoever set the program up.

mod memory;
mod proxies;
mod registration;
mod words;
