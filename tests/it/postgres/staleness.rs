//! A node that may use for a while what it has read: `max_staleness`.

use std::sync::Arc;
use std::time::Duration;

use jwtauth::PostgresStore;
use tests::app::{TestApp, User};
use tests::bounded;
use tests::postgres::{self, Postgres};
use tests::tab::Tab;
use tests::wire::Tokens;

use super::open;

const LIMIT: Duration = Duration::from_secs(30);

/// A node that may be stale, and one that may not be.
struct Nodes {
    _server: Arc<Postgres>,
    stores: [PostgresStore; 2],
    apps: [TestApp; 2],
    tabs: [Tab; 2],
}

impl Nodes {
    async fn start() -> Option<Self> {
        let server = postgres::shared()?;
        let config = server.config().schema(server.schema());
        let stores = [open(&config.clone().max_staleness(LIMIT)).await, open(&config).await];
        let apps = stores.clone().map(|store| TestApp::with(store, |builder| builder));
        let tabs = [Tab::new(&apps[0]), Tab::new(&apps[1])];
        Some(Self { _server: server, stores, apps, tabs })
    }

    /// Logs somebody in at the first node, which knows the caller then.
    async fn known_caller(&self) -> Tokens {
        let pair = self.tabs[0].login("alice").await;
        for _ in 0..3 {
            assert_eq!(self.me(&pair).await, 200);
            self.apps[0].jwtauth.sessions().flush().await.unwrap();
        }
        pair
    }

    async fn me(&self, pair: &Tokens) -> u16 {
        self.tabs[0].get("/me", &pair.cookies()).await.status.as_u16()
    }
}

#[test]
fn r_20_a_logout_elsewhere_counts_after_max_staleness() {
    bounded(async {
        let Some(nodes) = Nodes::start().await else { return };
        let mut was_stale = false;
        // The time that is allowed may end between two steps, and hardly ever does so five times.
        for _ in 0..5 {
            let pair = nodes.known_caller().await;
            assert!(nodes.apps[1].jwtauth.sessions().revoke(pair.session()).await.unwrap());
            was_stale |= nodes.me(&pair).await == 200;
            nodes.apps[0].clock.advance(LIMIT);
            // This tells the store the time.
            let _ = nodes.apps[0].jwtauth.sessions().now();
            assert_eq!(nodes.me(&pair).await, 401);
        }
        assert!(was_stale, "it asks the database each time");
    });
}

#[test]
fn r_20_what_a_process_changes_itself_counts_there_at_once() {
    bounded(async {
        let Some(nodes) = Nodes::start().await else { return };
        let sessions = nodes.apps[0].jwtauth.sessions();
        let pair = nodes.known_caller().await;
        assert_eq!(nodes.tabs[0].post("/logout", &pair.cookies()).await.status, 200);
        assert_eq!(nodes.me(&pair).await, 401, "a logout");
        let pair = nodes.known_caller().await;
        sessions.revoke_all("alice").await.unwrap();
        assert_eq!(nodes.me(&pair).await, 401, "all");
        let pair = nodes.known_caller().await;
        assert_eq!(nodes.tabs[0].get("/admin", &pair.cookies()).await.status, 200);
        sessions.update_user(&User { roles: Vec::new(), ..User::named("alice") }).await.unwrap();
        assert_eq!(nodes.tabs[0].get("/admin", &pair.cookies()).await.status, 403, "other roles");
        // More logins than sessions a user may have.
        nodes.apps[0].clock.advance(Duration::from_secs(1));
        let crowd = 40;
        for _ in 0..crowd {
            drop(nodes.tabs[0].login("alice").await);
            if nodes.me(&pair).await == 401 {
                return;
            }
        }
        panic!("{crowd} logins have crowded nobody out");
    });
}

#[test]
fn r_20_a_known_caller_costs_no_question_for_so_long() {
    bounded(async {
        for _ in 0..5 {
            let Some(nodes) = Nodes::start().await else { return };
            let pair = nodes.known_caller().await;
            nodes.stores[0].close();
            let stale = nodes.me(&pair).await;
            nodes.apps[0].clock.advance(LIMIT);
            let _ = nodes.apps[0].jwtauth.sessions().now();
            assert_eq!(nodes.me(&pair).await, 503);
            if stale == 200 {
                return;
            }
        }
        panic!("it asks the database each time");
    });
}
