//! Integration tests, in one binary: a module for each subject.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers included")]

mod accounts;
mod api_keys;
mod audit_trail;
mod brakes;
mod browsers;
mod claims;
mod client_script;
mod clock;
mod concurrency;
mod crash;
mod devices;
mod disk;
mod ends;
mod events;
mod every_store;
mod examples;
mod expiry;
mod field;
mod full_log;
mod guard;
mod guides;
mod house;
mod http;
mod keys;
mod known_callers;
mod lost_answers;
mod manual;
mod messages;
mod metrics;
mod model;
mod new_project;
mod openapi;
mod operate;
mod operator_socket;
mod packaging;
mod pages;
mod parity;
mod poem_session;
mod postgres;
mod quickstart;
mod readme;
mod registry;
mod requirements;
mod rescue;
mod routes;
mod secret_files;
mod services;
mod sessions;
mod simplejwt;
mod sliding;
mod store;
mod store_faults;
mod sweep;
mod table;
mod testing;
mod tidy;
mod values;
mod verifier;

use tests::program::Program;

/// The quickstart example, as a program to start.
fn quickstart() -> Program {
    Program::new(env!("CARGO_BIN_EXE_quickstart"))
}
