//! The pages for admins: who gets in, what they do there, and that the trail says who has done it.

use std::time::Duration;

use jwtauth::api_keys::ApiKeyRequest;
use jwtauth::clock::ManualClock;
use jwtauth::pages::AdminPages;
use jwtauth::store::{EventRecord, EventStore as _};
use jwtauth::{Account, AccountsConfig, ApiKeyConfig, Device, JwtAuth, SledStore, StorageConfig};
use poem::{EndpointExt as _, Route};
use tests::app::{SECRET, START};
use tests::bounded;
use tests::serve::{Served, serve};

use super::{FIREFOX, PASSWORD, Person, sent_to, text};

/// Every page. `ID` is an account, and `MARK` a session of it.
pub(super) const PAGES: [&str; 6] =
    ["overview", "people", "person?id=ID", "session?of=ID&mark=MARK", "events", "keys"];

/// A site with pages for admins.
pub(super) struct Office {
    pub(super) site: Served,
    pub(super) jwtauth: JwtAuth,
    pub(super) store: SledStore,
    pub(super) clock: ManualClock,
    _folder: tempfile::TempDir,
}

impl Office {
    pub(super) async fn open() -> Self {
        Self::with(|pages| pages).await
    }

    pub(super) async fn with(set: impl FnOnce(AdminPages) -> AdminPages) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path().join("store")).await.unwrap();
        let clock = ManualClock::at(START);
        let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
        let builder = builder
            .insecure_cookies()
            .api_keys(ApiKeyConfig::default())
            .storage(StorageConfig::default().keep_events(10_000).token_registry())
            .clock(clock.clone());
        let jwtauth = builder.build(store.clone()).unwrap();
        let app = Route::new()
            .nest("/account", jwtauth.pages().unwrap())
            .nest("/admin", set(jwtauth.admin_pages().unwrap()));
        let site = serve(app.with(jwtauth.clone())).await;
        Self { site, jwtauth, store, clock, _folder: folder }
    }

    /// Registers somebody who has these roles, and logs them in.
    pub(super) async fn person(&self, name: &str, roles: &[&str]) -> (Person<'_>, Account) {
        let accounts = self.jwtauth.accounts().unwrap();
        let account = accounts.register(name, PASSWORD).await.unwrap();
        let account = accounts.set_roles(account.id, roles.iter().copied()).await.unwrap();
        let person = Person::new(&self.site, FIREFOX);
        person.log_in(name).await;
        (person, account)
    }

    pub(super) async fn events(&self) -> Vec<EventRecord> {
        self.store.events_after(0, usize::MAX).await.unwrap()
    }
}

pub(super) async fn open(person: &Person<'_>, page: &str) -> reqwest::Response {
    person.open(&format!("../admin/{page}")).await
}

pub(super) async fn send(person: &Person<'_>, page: &str, fields: &[(&str, &str)]) -> reqwest::Response {
    person.send(&format!("../admin/{page}"), fields).await
}

/// The parts of a page that stand between two texts.
pub(super) fn between<'p>(page: &'p str, start: &str, end: &str) -> Vec<&'p str> {
    page.split(start).skip(1).map(|rest| rest.split(end).next().unwrap()).collect()
}

#[test]
fn m_23_each_page_and_each_form_is_behind_the_guard() {
    bounded(async {
        let office = Office::open().await;
        let (ada, account) = office.person("ada", &["admin"]).await;
        let (eve, of_eve) = office.person("eve", &["editor"]).await;
        let stranger = Person::new(&office.site, FIREFOX);
        let form = [("do", "disable"), ("role", "admin")];
        let session = office.jwtauth.sessions().list(&of_eve.id.to_string()).await.unwrap().remove(0);
        for page in PAGES {
            let page = page.replace("ID", &of_eve.id.to_string()).replace("MARK", &session.id.log_id());
            assert_eq!(open(&ada, &page).await.status(), 200, "{page}");
            let next = page.replace('?', "%3F").replace('=', "%3D").replace('&', "%26");
            let back = format!("/account/login?next=/admin/{next}");
            assert_eq!(sent_to(&open(&stranger, &page).await), (303, back.clone()), "{page}");
            let again = format!("{back}{}again", if page.contains('?') { "%26" } else { "%3F" });
            assert_eq!(sent_to(&send(&stranger, &page, &form).await), (303, again), "{page}");
            assert_eq!(open(&eve, &page).await.status(), 403, "{page}");
            assert_eq!(send(&eve, &page, &form).await.status(), 403, "{page}");
        }
        // What another site sends does nothing, whoever is logged in.
        let page = format!("/admin/person?id={}", of_eve.id);
        let form = ada.client.post(office.site.at(&page)).header("sec-fetch-site", "cross-site");
        assert_eq!(super::filled_in(form, &[("do", "disable")]).send().await.unwrap().status(), 403);
        let accounts = office.jwtauth.accounts().unwrap();
        let kept = accounts.by_id(of_eve.id).await.unwrap().unwrap();
        assert_eq!((kept.active, kept.roles), (true, vec!["editor".to_owned()]));
        // An API key is no admin, whatever its roles.
        let wanted = ApiKeyRequest::new("ci").role("admin").ttl(Duration::from_secs(60));
        let key = office.jwtauth.sessions().create_api_key(&account, wanted).await.unwrap();
        let with_key = Person::new(&office.site, FIREFOX).client.get(office.site.at("/admin/people"));
        let refused = with_key.bearer_auth(key.secret()).header("accept", "text/html").send().await.unwrap();
        assert_eq!(refused.status(), 403);
        let keys = text(open(&ada, &format!("person?id={}", account.id)).await).await;
        assert!(keys.contains("API key: ci"), "{keys}");
        // A role that is taken away counts at once.
        accounts.set_roles(account.id, ["editor"]).await.unwrap();
        assert_eq!(open(&ada, "people").await.status(), 403);
    });
}

#[test]
fn m_23_a_login_of_long_ago_is_not_enough() {
    bounded(async {
        let office = Office::open().await;
        let (ada, _) = office.person("ada", &["admin"]).await;
        office.clock.advance(Duration::from_secs(30 * 60));
        assert_eq!(open(&ada, "people").await.status(), 200);
        office.clock.advance(Duration::from_secs(1));
        let back = (303, "/account/login?next=/admin/people".to_owned());
        assert_eq!(sent_to(&open(&ada, "people").await), back);
        let again = (303, format!("{}%3Fagain", back.1));
        assert_eq!(sent_to(&send(&ada, "people", &[]).await), again);
        assert_eq!(ada.open("devices").await.status(), 200, "it is enough elsewhere");
        let fields = [("username", "ada"), ("password", PASSWORD), ("next", "/admin/people")];
        assert_eq!(sent_to(&ada.send("login", &fields).await), (303, "/admin/people".into()));
        assert_eq!(open(&ada, "people").await.status(), 200);
    });
}

#[test]
fn o_11_each_change_names_the_admin_who_has_made_it() {
    bounded(async {
        let office = Office::open().await;
        let (ada, account) = office.person("ada", &["admin"]).await;
        let (bob, of_bob) = office.person("bob", &[]).await;
        let page = format!("person?id={}", of_bob.id);
        let before = office.events().await.len();
        for (fields, done) in [
            (&[("do", "add_role"), ("role", "editor")][..], "roles"),
            (&[("do", "remove_role"), ("role", "editor")], "roles"),
            (&[("do", "end_all")], "ended"),
            (&[("do", "disable")], "disabled"),
            (&[("do", "enable")], "enabled"),
        ] {
            assert_eq!(sent_to(&send(&ada, &page, fields).await), (303, format!("{page}&done={done}")));
            assert_eq!(open(&ada, &format!("{page}&done={done}")).await.status(), 200);
        }
        // What is so already is no change, and no event.
        let again = [("do", "remove_role"), ("role", "editor")];
        assert_eq!(sent_to(&send(&ada, &page, &again).await), (303, page.clone()));
        assert_eq!(bob.open("devices").await.status(), 303, "his session is over");
        bob.log_in("bob").await;
        let listed = text(open(&ada, &page).await).await;
        let session = listed.split("name=\"session\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        send(&ada, &page, &[("do", "end"), ("session", session)]).await;
        assert_eq!(bob.open("devices").await.status(), 303, "so is the next one");
        let events: Vec<_> = office.events().await.split_off(before);
        let made: Vec<_> = events.iter().filter(|it| it.event.event != "login").collect();
        let names: Vec<_> = made.iter().map(|it| &*it.event.event).collect();
        let expected = [
            "roles_set",
            "roles_set",
            "all_revoked",
            "all_revoked",
            "account_disabled",
            "account_enabled",
            "session_revoked",
        ];
        assert_eq!(names, expected);
        let by = ("by".to_owned(), account.id.to_string());
        for event in made {
            assert!(event.event.details.contains(&by), "{event:?}");
            assert_eq!(event.event.subject.as_deref(), Some(&*of_bob.id.to_string()), "{event:?}");
        }
    });
}

#[test]
fn m_25_admins_do_not_lock_themselves_out() {
    bounded(async {
        let office = Office::open().await;
        let (ada, account) = office.person("ada", &["admin", "editor"]).await;
        let page = format!("person?id={}", account.id);
        for fields in [&[("do", "disable")][..], &[("do", "remove_role"), ("role", "admin")]] {
            let refused = send(&ada, &page, fields).await;
            assert_eq!(refused.status(), 422);
            assert!(text(refused).await.contains("ask another admin"));
        }
        assert_eq!(
            sent_to(&send(&ada, &page, &[("do", "remove_role"), ("role", "editor")]).await).0,
            303,
            "any other role is theirs to give up"
        );
        let kept = office.jwtauth.accounts().unwrap().by_id(account.id).await.unwrap().unwrap();
        assert_eq!((kept.active, kept.roles), (true, vec!["admin".to_owned()]));
        // Another admin may.
        let (_, other) = office.person("bea", &["admin"]).await;
        let page = format!("person?id={}", other.id);
        let answer = send(&ada, &page, &[("do", "remove_role"), ("role", "admin")]).await;
        assert_eq!(sent_to(&answer).0, 303);
    });
}

#[test]
fn m_25_two_admins_do_not_remove_each_other() {
    bounded(async {
        let office = Office::open().await;
        let (ada, of_ada) = office.person("ada", &["admin"]).await;
        let (bea, of_bea) = office.person("bea", &["admin"]).await;
        let accounts = office.jwtauth.accounts().unwrap();
        let (page_of_ada, page_of_bea) =
            (format!("person?id={}", of_ada.id), format!("person?id={}", of_bea.id));
        let form = [("do", "remove_role"), ("role", "admin")];
        for _ in 0..20 {
            for account in [&of_ada, &of_bea] {
                accounts.set_roles(account.id, ["admin"]).await.unwrap();
            }
            let both = tokio::join!(send(&ada, &page_of_bea, &form), send(&bea, &page_of_ada, &form));
            let mut answers = [both.0.status().as_u16(), both.1.status().as_u16()];
            answers.sort_unstable();
            assert_eq!(answers, [303, 403]);
            let mut left = 0;
            for account in [&of_ada, &of_bea] {
                left += accounts.by_id(account.id).await.unwrap().unwrap().roles.len();
            }
            assert_eq!(left, 1, "one admin remains");
        }
    });
}

/// M-24: those of one user, and none that nobody gets to.
#[test]
fn m_24_the_sessions_of_a_person_are_listed_a_page_at_a_time() {
    bounded(async {
        let office = Office::open().await;
        let (ada, _) = office.person("ada", &["admin"]).await;
        let of_bob = office.jwtauth.accounts().unwrap().register("bob", PASSWORD).await.unwrap();
        let mut marks = Vec::new();
        // No more than the store keeps of one person.
        for _ in 0..60 {
            office.clock.advance(Duration::from_secs(1));
            let tokens = office.jwtauth.sessions().login(&of_bob, Device::default()).await.unwrap();
            marks.push(tokens.session.id.log_id().to_string());
        }
        marks.reverse();
        let (mut found, mut pages, mut at) = (Vec::new(), 0, format!("person?id={}&all", of_bob.id));
        loop {
            let page = text(open(&ada, &at).await).await;
            found.extend(between(&page, "&amp;mark=", "\"").into_iter().map(str::to_owned));
            assert_eq!(page.contains(">Newest</a>"), pages > 0, "{page}");
            pages += 1;
            let Some(next) = between(&page, "<a rel=\"next\" href=\"", "\"").pop() else { break };
            at = next.replace("&amp;", "&");
        }
        assert_eq!((found, pages), (marks, 2));
        // What is behind the end, or no number, is no dead end.
        for (from, link) in [("1000", ">Newest</a>"), ("x", ">Older</a>")] {
            let page = text(open(&ada, &format!("person?id={}&all&from={from}", of_bob.id)).await).await;
            assert!(page.contains(link), "{page}");
        }
    });
}

#[test]
fn an_admin_page_tells_only_of_what_has_happened() {
    bounded(async {
        let office = Office::open().await;
        let (ada, _) = office.person("ada", &["admin"]).await;
        let (_bob, of_bob) = office.person("bob", &["odd  one"]).await;
        let session = office.jwtauth.sessions().list(&of_bob.id.to_string()).await.unwrap().remove(0);
        let (page, mark) = (format!("person?id={}", of_bob.id), session.id.log_id());
        let of_session = format!("session?of={}&mark={mark}", of_bob.id);
        let told = async |at: &str| text(open(&ada, at).await).await.contains("class=\"notice\"");
        // Links that somebody has made up.
        let ended = format!("done=ended&mark={mark}");
        for done in ["done=disabled", "done=ended", &ended, "done=ended&mark=x"] {
            assert!(!told(&format!("{page}&{done}")).await, "{done}");
        }
        assert!(!told(&format!("{of_session}&done=ended")).await);
        // A browser says that a link from elsewhere has led here.
        for from in ["cross-site", "same-site", "none"] {
            let request = ada.client.get(office.site.at(&format!("/admin/{page}&done=roles")));
            let shown = text(request.header("sec-fetch-site", from).send().await.unwrap()).await;
            assert!(shown.contains("bob") && !shown.contains("class=\"notice\""), "{from}: {shown}");
        }
        // What changes nothing is no event.
        for (at, fields) in [
            (&of_session, &[("do", "nothing")][..]),
            (&page, &[("do", "nothing")]),
            (&page, &[("do", "end"), ("session", "x")]),
        ] {
            assert_eq!(sent_to(&send(&ada, at, fields).await), (303, at.clone()));
        }
        for fields in [&[("do", "end"), ("session", &*session.id.to_string())][..], &[("do", "disable")]] {
            let at = sent_to(&send(&ada, &page, fields).await).1;
            assert!(told(&at).await, "{at}");
        }
        assert!(told(&format!("{of_session}&done=ended")).await);
        assert!(!told(&format!("{page}&done=enabled")).await);
        // What is taken away is meant as it is.
        send(&ada, &page, &[("do", "remove_role"), ("role", "odd  one")]).await;
        send(&ada, &page, &[("do", "add_role"), ("role", " even ")]).await;
        let kept = office.jwtauth.accounts().unwrap().by_id(of_bob.id).await.unwrap().unwrap();
        assert_eq!(kept.roles, ["even"]);
    });
}
