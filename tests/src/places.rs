//! The stores that a test of behaviour runs over: what is true of one is true of each.

use std::sync::Arc;

use jwtauth::store::PostgresStore;
use jwtauth::{JwtAuthBuilder, MemoryStore};

use crate::app::TestApp;
use crate::postgres::{self, Postgres};

/// Where the sessions of an app are.
#[derive(Debug)]
pub enum Place {
    /// In memory, of one app each.
    Memory,
    /// In a database, which the apps share.
    Postgres(PostgresStore, Arc<Postgres>),
}

impl Place {
    /// Returns each place that there is on this machine.
    pub async fn all() -> Vec<Self> {
        let mut places = vec![Self::Memory];
        if let Some(server) = postgres::shared() {
            places.push(Self::Postgres(server.store().await, server));
        }
        places
    }

    /// Makes an app with its sessions there.
    pub fn app(&self, set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> TestApp {
        match self {
            Self::Memory => TestApp::with(MemoryStore::new(), set),
            Self::Postgres(store, _) => TestApp::with(store.clone(), set),
        }
    }
}
