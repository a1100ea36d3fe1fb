//! What the charts of the pages for admins know after a restart.

use std::time::Duration;

use jwtauth::{AccountsConfig, JwtAuth, StorageConfig};
use poem::{EndpointExt as _, Route};
use tests::app::SECRET;
use tests::bounded;
use tests::serve::serve;

use super::admins::{Office, open};
use super::{FIREFOX, Person, text};

/// The chart with this title, to the end of its table.
fn chart<'p>(page: &'p str, title: &str) -> &'p str {
    let begun = page.split("<figcaption").find(|part| part.contains(&format!(">{title}: ")));
    begun.unwrap_or_else(|| panic!("{title}: {page}")).split("</figure>").next().unwrap()
}

/// M-24: with an audit trail they go on, but for refreshes, which stand in none. Without one they begin anew, and the page
/// says when.
#[test]
fn m_24_charts_know_what_the_trail_has_from_before_a_restart() {
    bounded(async {
        let office = Office::open().await;
        let (ada, _) = office.person("ada", &["admin"]).await;
        for _ in 0..3 {
            let wrong = ada.send("login", &[("username", "ada"), ("password", "looking glass")]).await;
            assert_eq!(wrong.status(), 401);
        }
        office.clock.advance(Duration::from_secs(2 * 3_600));
        let again = |storage: StorageConfig| {
            let accounts = AccountsConfig::default().hashers(1);
            let builder = JwtAuth::builder().secret(SECRET).accounts(accounts).insecure_cookies();
            let builder = builder.storage(storage.operator_socket(false)).clock(office.clock.clone());
            let jwtauth = builder.build(office.store.clone()).unwrap();
            let app = Route::new()
                .nest("/account", jwtauth.pages().unwrap())
                .nest("/admin", jwtauth.admin_pages().unwrap());
            serve(app.with(jwtauth))
        };
        let site = again(StorageConfig::default().keep_events(10_000)).await;
        let ada = Person::new(&site, FIREFOX);
        ada.log_in("ada").await;
        let page = loop {
            // The trail is read beside the pages.
            let page = text(open(&ada, "overview").await).await;
            if chart(&page, "Failed logins").contains(">Failed logins: 3<") {
                break page;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert!(chart(&page, "Logins").contains(">Logins: 2<"), "{page}");
        // The hours before that in which ada came are unknown, and of refreshes all but the last one.
        for (title, unknown) in [("Logins", 21), ("Failed logins", 21), ("Refreshes", 23)] {
            assert_eq!(chart(&page, title).matches("<td>not counted</td>").count(), unknown, "{title}");
        }
        let site = again(StorageConfig::default()).await;
        let ada = Person::new(&site, FIREFOX);
        ada.log_in("ada").await;
        for _ in 0..20 {
            let page = text(open(&ada, "overview").await).await;
            assert!(chart(&page, "Failed logins").contains(">Failed logins: 0<"), "{page}");
            assert!(page.contains("Running and counting since"), "{page}");
        }
    });
}
