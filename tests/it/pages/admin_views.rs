//! What the pages for admins show: people, sessions, tokens, events, keys and charts.

use std::ops::ControlFlow;
use std::time::Duration;

use jwtauth::operator::{OperatorAnswer, OperatorRequest};
use jwtauth::pages::PageTexts;
use jwtauth::store::{EventDetails, EventStore as _};
use jwtauth::{AccountsConfig, Device, JwtAuth, MemoryStore};
use poem::{EndpointExt as _, IntoEndpoint as _, Route};
use tests::app::SECRET;
use tests::bounded;
use tests::faulty::Faulty;
use tests::serve::serve;

use super::admins::{Office, PAGES, between, open, send};
use super::{FIREFOX, PASSWORD, Person, SCRIPT, sent_to, text};

#[test]
fn m_24_people_are_looked_for_and_listed_a_page_at_a_time() {
    bounded(async {
        let office = Office::open().await;
        let (ada, _) = office.person("ada", &["admin"]).await;
        let accounts = office.jwtauth.accounts().unwrap();
        for number in 0..120 {
            accounts.register(&format!("user{number:03}"), PASSWORD).await.unwrap();
        }
        let names = |page: &str| -> Vec<String> {
            let rows = page.split("<a href=\"person?id=").skip(1);
            rows.map(|row| row.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()).collect()
        };
        let (mut found, mut at) = (Vec::new(), "people".to_owned());
        let mut pages = 0;
        loop {
            let page = text(open(&ada, &at).await).await;
            found.extend(names(&page));
            pages += 1;
            let Some(next) = page.split("<a rel=\"next\" href=\"").nth(1) else { break };
            at = next.split('"').next().unwrap().replace("&#38;", "&");
        }
        assert_eq!((found.len(), pages, &*found[0], &*found[120]), (121, 3, "ada", "user119"));
        // And back, with and without a prefix.
        for (start, expected) in
            [(at, 50), ("people?q=u&after=user069".into(), 50), ("people?q=user1&after=user109".into(), 10)]
        {
            let page = text(open(&ada, &start).await).await;
            let back = between(&page, "<a rel=\"prev\" href=\"", "\"")[0].replace("&#38;", "&");
            let before = text(open(&ada, &back).await).await;
            let (first, all) = (names(&page).remove(0), names(&before));
            let place = found.iter().position(|name| *name == first).unwrap();
            assert_eq!(all, found[place - expected..place], "{start}");
            assert!(before.contains("rel=\"next\""), "{before}");
        }
        for (query, expected) in [
            ("q=USER01", 10),
            ("q=user119", 1),
            ("q=nobody", 0),
            ("q=a%20b", 0),
            ("q=%20", 50),
            ("after=%00", 0),
        ] {
            let page = text(open(&ada, &format!("people?{query}")).await).await;
            assert_eq!(names(&page).len(), expected, "{query}: {page}");
        }
    });
}

#[test]
fn events_are_shown_the_newest_first_with_who_has_made_them() {
    bounded(async {
        let office = Office::open().await;
        let (ada, account) = office.person("ada", &["admin"]).await;
        let (bob, of_bob) = office.person("bob", &[]).await;
        let page = format!("person?id={}", of_bob.id);
        for number in 0..60 {
            office.clock.advance(Duration::from_secs(10));
            let role = format!("r{number}");
            send(&ada, &page, &[("do", "add_role"), ("role", &role)]).await;
        }
        let shown = text(open(&ada, "events").await).await;
        let numbers = |page: &str| -> Vec<u64> {
            between(page, "<tr id=\"event-", "\"").iter().map(|it| it.parse().unwrap()).collect()
        };
        let all = office.events().await;
        let newest = all.last().unwrap().number;
        assert_eq!(numbers(&shown), (newest - 49..=newest).rev().collect::<Vec<_>>());
        let older = between(&shown, "<a rel=\"next\" href=\"", "\"")[0].replace("&#38;", "&");
        let rest = text(open(&ada, &older).await).await;
        assert_eq!(numbers(&rest), (1..newest - 49).rev().collect::<Vec<_>>());
        assert!(!rest.contains("rel=\"next\""), "the end of the trail: {rest}");
        let by = format!("<a href=\"person?id={}\">ada</a>", account.id);
        assert!(shown.contains(&by) && shown.contains("roles: [&#34;r0&#34;,&#34;r1&#34;"), "{shown}");

        // One kind, one person: by name and by id.
        assert_eq!(numbers(&text(open(&ada, "events?event=login").await).await).len(), 2);
        for person in ["BOB", &of_bob.id.to_string()] {
            let found = text(open(&ada, &format!("events?person={person}&event=login")).await).await;
            assert_eq!(numbers(&found).len(), 1, "{found}");
        }
        assert!(text(open(&ada, "events?person=nobody").await).await.contains("No such events."));
        // A name that looks like the id of somebody else hides nothing.
        office.jwtauth.accounts().unwrap().register(&of_bob.id.to_string(), PASSWORD).await.unwrap();
        let found = text(open(&ada, &format!("events?person={}&event=login", of_bob.id)).await).await;
        assert_eq!(numbers(&found).len(), 1, "{found}");

        // A page that follows is asked for again by the browser; others are not.
        let following = open(&ada, "events?follow").await;
        assert_eq!(following.headers()["refresh"], "5");
        assert_eq!(open(&ada, "events").await.headers().get("refresh"), None);
        drop(bob);
    });
}

/// M-24: what is looked for may be behind the events that a page looks at.
#[test]
fn m_24_one_goes_on_to_look_for_events_that_are_long_ago() {
    bounded(async {
        let office = Office::open().await;
        let (ada, _) = office.person("ada", &["admin"]).await;
        let many = (0..4_100).map(|at| EventDetails::new("clock_set_back", at).with("seconds", "")).collect();
        office.store.append_events(many, 10_000).await.unwrap();
        let page = text(open(&ada, "events?event=account_registered").await).await;
        assert!(page.contains("No such events among the newest: 4096"), "{page}");
        assert!(!page.contains("No such events."), "{page}");
        let next = between(&page, "<a rel=\"next\" href=\"", "</a>")[0];
        let (next, label) = next.split_once("\">").unwrap();
        assert_eq!(label, "Look further");
        let found = text(open(&ada, &next.replace("&#38;", "&")).await).await;
        assert!(
            found.contains("<code>account_registered</code>") && !found.contains("rel=\"next\""),
            "{found}"
        );
        let none = text(open(&ada, "events?event=nothing&before=3").await).await;
        assert!(none.contains("No such events."), "{none}");
        // A detail that says nothing is not shown.
        let page = text(open(&ada, "events").await).await;
        assert!(page.contains(">Older</a>") && !page.contains("seconds:"), "{page}");
    });
}

#[test]
fn what_cannot_be_read_in_a_query_leaves_the_rest_of_it() {
    bounded(async {
        let office = Office::open().await;
        let (ada, account) = office.person("ada", &["admin"]).await;
        office.person("bob", &[]).await;
        let session = office.jwtauth.sessions().list(&account.id.to_string()).await.unwrap().remove(0);
        let page = format!("session?of={}&mark={}", account.id, session.id.log_id());
        for odd in ["from=-1", "from=x", "from=99999999999999999999", "from=", "of=x"] {
            assert_eq!(open(&ada, &format!("{page}&{odd}")).await.status(), 200, "{odd}");
        }
        for odd in ["before=-1", "before=x", "before=", "person=bob", "x=%ff"] {
            let shown = text(open(&ada, &format!("events?person=ada&{odd}")).await).await;
            assert!(shown.contains(">ada</a>, ") && !shown.contains(">bob</a>, "), "{odd}: {shown}");
        }
    });
}

#[test]
fn a_session_is_shown_with_its_tokens_and_what_has_ended_them() {
    bounded(async {
        let office = Office::open().await;
        let (ada, _) = office.person("ada", &["admin"]).await;
        let (bob, of_bob) = office.person("bob", &[]).await;
        office.clock.advance(Duration::from_secs(301));
        assert_eq!(bob.open("devices").await.status(), 200, "renews the tokens");
        let page = format!("person?id={}", of_bob.id);
        let shown = text(open(&ada, &page).await).await;
        let link = between(&shown, "<h3><a href=\"", "\"")[0].replace("&#38;", "&").replace("&amp;", "&");
        let id = between(&shown, "name=\"session\" value=\"", "\"")[0];
        assert!(!link.contains(id), "no whole id in an address: {link}");
        let session = text(open(&ada, &link).await).await;
        for said in ["Firefox", "127.0.0.1", "<dd>live</dd>", "<dd>1</dd>", "spent for 3", "User-Agent"] {
            assert!(session.contains(said), "{said}: {session}");
        }
        assert_eq!(between(&session, "<tr id=\"token-", "\""), ["4", "3", "2", "1"]);
        let answer = send(&ada, &link, &[("do", "end")]).await;
        assert_eq!(sent_to(&answer), (303, format!("{link}&done=ended")));
        assert_eq!(bob.open("devices").await.status(), 303);
        let session = text(open(&ada, &link).await).await;
        for said in ["revoked: ended on request", "ended with its session: ended on request"] {
            assert!(session.contains(said), "{said}: {session}");
        }
        assert!(!session.contains("End session"), "{session}");
        assert!(text(open(&ada, &page).await).await.contains("No sessions."));
        let over = text(open(&ada, &format!("{page}&all")).await).await;
        assert!(over.contains("revoked: ended on request"), "{over}");
        // Of a user of the application, who may be called anything.
        let user = tests::app::User::named("b&c=d\r\n\"<b>");
        let other = office.jwtauth.sessions().login(&user, Device::default()).await.unwrap().session;
        let subject = super::encoded(&user.name);
        let link = format!("session?of={subject}&mark={}", other.id.log_id());
        assert_eq!(open(&ada, &link).await.status(), 200);
        let answer = send(&ada, &link, &[("do", "end")]).await;
        assert_eq!(sent_to(&answer), (303, format!("{link}&done=ended")));
        // Of nobody, and of somebody else.
        for odd in ["session", "session?of=nobody&mark=0", "session?of=%22%3E&mark=%00", "person?id=x"] {
            assert_eq!(sent_to(&open(&ada, odd).await), (303, "people".into()), "{odd}");
        }
    });
}

#[test]
fn the_overview_counts_what_happens() {
    bounded(async {
        let office = Office::open().await;
        let (ada, _) = office.person("ada", &["admin"]).await;
        let (bob, _) = office.person("bob", &[]).await;
        let wrong = [("username", "bob"), ("password", "wrong password")];
        assert_eq!(Person::new(&office.site, FIREFOX).send("login", &wrong).await.status(), 401);
        assert_eq!(office.events().await.last().unwrap().event.event, "login_failed", "on these pages too");
        office.clock.advance(Duration::from_secs(301));
        assert_eq!(bob.open("devices").await.status(), 200, "renews the tokens");
        office.jwtauth.sessions().sweep().await.unwrap();
        // What the store keeps is counted when pages are mounted, beside them.
        let _pages = office.jwtauth.admin_pages().unwrap().into_endpoint();
        while !text(open(&ada, "overview").await).await.contains("<dt>Accounts</dt><dd>2</dd>") {}
        for span in ["hour", "day", "week", "nothing"] {
            let page = text(open(&ada, &format!("overview?span={span}")).await).await;
            let captions: Vec<_> =
                between(&page, "<figcaption", "<").iter().map(|it| it.split('>').nth(1).unwrap()).collect();
            let expected = [
                "Logins: 2",
                "Failed logins: 1",
                "Refreshes: 2",
                "Reuse of spent tokens: 0",
                "Live sessions: 2",
            ];
            assert_eq!(captions, expected, "{span}");
            // For eyes, and for readers.
            assert_eq!(page.matches("<svg role=\"img\" aria-labelledby=").count(), 5);
            assert_eq!(page.matches("<details>").count(), 5);
            assert!(page.contains("not counted"), "what was before the start is no zero: {page}");
            for said in ["<dt>Live sessions</dt><dd>2</dd>", "<dt>Accounts</dt><dd>2</dd>", ", 0 removed"] {
                assert!(page.contains(said), "{said}: {page}");
            }
            assert!(page.contains(" MB</dd>") && page.contains("<dt>Last backup</dt><dd>none yet"), "{page}");
        }
        // The store keeps when that was, so that a restart does not forget it.
        let jwtauth = office.jwtauth.clone();
        let (mut sink, go_on) = (std::io::sink(), |_| ControlFlow::Continue(()));
        let backed_up = jwtauth.operator().ask_into(OperatorRequest::Backup, &mut sink, &go_on).await;
        let OperatorAnswer::BackedUp(summary) = backed_up.unwrap() else { panic!("it is a backup") };
        let page = text(open(&ada, "overview").await).await;
        assert!(
            page.contains("<dt>Last backup</dt><dd>none yet"),
            "nobody has said that it is on disk: {page}"
        );
        let note = OperatorRequest::NoteBackup { taken_at: summary.taken_at };
        assert!(matches!(jwtauth.operator().ask(note).await.unwrap(), OperatorAnswer::Done));
        let page = text(open(&ada, "overview").await).await;
        assert!(page.contains("<dt>Last backup</dt><dd><time datetime="), "{page}");
    });
}

#[test]
fn m_24_what_could_not_be_counted_is_unknown() {
    bounded(async {
        let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
        let jwtauth = builder.insecure_cookies().build(Faulty::without_size()).unwrap();
        let app = Route::new()
            .nest("/account", jwtauth.pages().unwrap())
            .nest("/admin", jwtauth.admin_pages().unwrap());
        let site = serve(app.with(jwtauth.clone())).await;
        let accounts = jwtauth.accounts().unwrap();
        let account = accounts.register("ada", PASSWORD).await.unwrap();
        accounts.set_roles(account.id, ["admin"]).await.unwrap();
        let ada = Person::new(&site, FIREFOX);
        ada.log_in("ada").await;
        let overview = open(&ada, "overview").await;
        assert_eq!(overview.status(), 200);
        let page = text(overview).await;
        assert!(page.contains("<dt>Accounts</dt><dd>unknown</dd>"), "{page}");
        assert_eq!(page.matches("<dd>unknown</dd>").count(), 3, "{page}");
    });
}

#[test]
fn keys_are_shown_and_secrets_are_not() {
    bounded(async {
        let office = Office::open().await;
        let (ada, _) = office.person("ada", &["admin"]).await;
        let page = text(open(&ada, "keys").await).await;
        assert!(page.contains("HS256") && page.contains("sign and verify"), "{page}");
        let secret = std::str::from_utf8(SECRET).unwrap();
        assert!(!page.contains(secret) && page.contains(&office.jwtauth.keys().signing().kid), "{page}");
    });
}

#[test]
fn no_text_of_a_client_becomes_html_for_an_admin() {
    bounded(async {
        let office = Office::with(|pages| pages.site_name(SCRIPT)).await;
        let (ada, _) = office.person("ada", &["admin"]).await;
        let name = "<b>eve</b>\"'&{{1}}";
        let (_, account) = office.person(name, &["<script>role</script>\"'"]).await;
        let eve = Person::new(&office.site, "<script>alert(1)</script>\"'");
        eve.log_in(name).await;
        let session = office.jwtauth.sessions().list(&account.id.to_string()).await.unwrap().remove(0);
        let attack = super::encoded(SCRIPT);
        let mut pages: Vec<String> = PAGES
            .iter()
            .map(|page| page.replace("ID", &account.id.to_string()).replace("MARK", &session.id.log_id()))
            .collect();
        for page in
            ["people?q=", "people?after=", "events?person=", "events?event=", "overview?span=", "person?id="]
        {
            pages.push(format!("{page}{attack}"));
        }
        let mut shown = Vec::new();
        for page in &pages {
            shown.push(text(open(&ada, page).await).await);
        }
        let role = [("do", "add_role"), ("role", "\u{7f}<script>")];
        let refused = send(&ada, &format!("person?id={}", account.id), &role).await;
        assert_eq!(refused.status(), 422);
        shown.push(text(refused).await);
        for page in &shown {
            for html in ["<script", "<b>", "<b ", "onmouseover=x>"] {
                assert!(!page.contains(html), "{html}: {page}");
            }
        }
        assert!(
            shown[1].contains("&#60;b&#62;eve") && shown[3].contains("&#60;script&#62;"),
            "they are shown"
        );
    });
}

#[test]
fn every_admin_page_has_the_headers_and_loads_its_style_sheet_only() {
    bounded(async {
        let office = Office::with(|pages| pages.accent("#ffd700").unwrap()).await;
        let (ada, account) = office.person("ada", &["admin"]).await;
        let session = office.jwtauth.sessions().list(&account.id.to_string()).await.unwrap().remove(0);
        for page in PAGES {
            let page = page.replace("ID", &account.id.to_string()).replace("MARK", &session.id.log_id());
            let answer = open(&ada, &page).await;
            assert_eq!(answer.status(), 200, "{page}");
            let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
            let policy = header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self';"),
                "{policy}"
            );
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(
                (header("cache-control"), header("x-frame-options")),
                ("no-store".into(), "DENY".into())
            );
            let shown = text(answer).await;
            for forbidden in ["<script", "style=", "<style", "javascript:", "http://", "https://", " onclick"]
            {
                assert!(!shown.contains(forbidden), "{page}: {forbidden}: {shown}");
            }
            for id in between(&shown, "<label for=\"", "\"") {
                assert!(shown.contains(&format!("<input id=\"{id}\"")), "{page}: the label of {id}");
            }
            assert_eq!(shown.matches("<h1>").count(), 1, "{page}");
            assert!(shown.contains("<a href=\"/account/logout\">Log out</a>"), "{page}: {shown}");
        }
        assert!(text(open(&ada, "style.css").await).await.contains("--accent: #ffd700"));
        let index = open(&ada, "").await;
        assert_eq!(sent_to(&index), (303, "overview".into()));
    });
}

#[test]
fn admin_pages_say_what_is_not_kept_and_speak_other_languages() {
    bounded(async {
        let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
        let jwtauth = builder.insecure_cookies().build(MemoryStore::new()).unwrap();
        let german = || {
            let mut german = PageTexts::default();
            german.lang = "de".into();
            german.admin.people = "Leute".into();
            german
        };
        let pages =
            jwtauth.admin_pages().unwrap().role("boss").login("/login").unwrap().logout("/bye").unwrap();
        let pages = pages.translate(move |_| Some(german()));
        let app = Route::new().nest("/account", jwtauth.pages().unwrap()).nest("/admin", pages);
        let site = serve(app.with(jwtauth.clone())).await;
        let accounts = jwtauth.accounts().unwrap();
        let account = accounts.register("ada", PASSWORD).await.unwrap();
        accounts.set_roles(account.id, ["boss"]).await.unwrap();
        assert_eq!(
            sent_to(&open(&Person::new(&site, FIREFOX), "people").await).1,
            "/login?next=/admin/people"
        );
        let ada = Person::new(&site, FIREFOX);
        ada.log_in("ada").await;
        let page = text(open(&ada, "people").await).await;
        assert!(page.contains("<html lang=\"de\" dir=\"ltr\">") && page.contains("<h1>Leute</h1>"), "{page}");
        assert!(page.contains("<a href=\"/bye\">Log out</a>"), "{page}");
        assert!(text(open(&ada, "events").await).await.contains("does not call keep_events"));
        let session = jwtauth.sessions().list(&account.id.to_string()).await.unwrap().remove(0);
        let page = format!("session?of={}&mark={}", account.id, session.id.log_id());
        assert!(text(open(&ada, &page).await).await.contains("does not call token_registry"));

        let pages = || jwtauth.admin_pages().unwrap();
        for (refused, said) in [
            (pages().login("https://elsewhere.example").unwrap_err(), "a path on this site"),
            (pages().logout("//elsewhere.example").unwrap_err(), "a path on this site"),
            (pages().accent("red").unwrap_err(), "#rrggbb"),
            (pages().max_age(Duration::from_secs(59)).unwrap_err(), "60s at least"),
        ] {
            assert!(refused.to_string().contains(said), "{refused}");
        }
        assert!(pages().max_age(Duration::from_secs(60)).is_ok());
    });
}
