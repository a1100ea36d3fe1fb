//! Changes of an account, and the sessions that end with them (S-11).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jwtauth::error::{AccountError, SessionError};
use jwtauth::store::SessionStore;
use jwtauth::{AccountId, AccountsConfig, Device, EndReason, Event, RevocationReason, SledStore};
use tests::app::{START, TestApp};
use tests::bounded;
use tests::test_store::TestStore;

use super::{OTHER, PASSWORD, accounts, app, live, open, register, verify, with};

#[test]
fn s_11_a_new_password_ends_the_other_sessions() {
    bounded(async {
        let app = app();
        let alice = register(&app, "alice").await;
        let bob = register(&app, "bob").await;
        let (own, _other) = (open(&app.jwtauth, &alice).await, open(&app.jwtauth, &alice).await);
        open(&app.jwtauth, &bob).await;
        app.clock.advance(Duration::from_secs(60));
        let change = async |old, new| accounts(&app).change_password(alice.id, old, new, Some(own.id)).await;

        let wrong = change(OTHER, "another good one").await;
        assert!(matches!(wrong, Err(AccountError::InvalidCredentials)), "{wrong:?}");
        let short = change(PASSWORD, "short").await;
        assert!(matches!(short, Err(AccountError::Password { .. })), "{short:?}");
        assert_eq!(live(&app.jwtauth, &alice).await.len(), 2, "nothing has happened");

        let changed = change(PASSWORD, OTHER).await.unwrap();
        assert_eq!((changed.password_changed_at, changed.revision), (START + 60, 1));
        let left = live(&app.jwtauth, &alice).await;
        assert!(left.len() == 1 && left[0].id == own.id, "{left:?}");
        let copy: jwtauth::Account = serde_json::from_slice(left[0].user.as_ref().unwrap()).unwrap();
        assert_eq!(copy, changed, "the session that goes on has the account as it is");
        assert_eq!(live(&app.jwtauth, &bob).await.len(), 1);
        verify(&app, "alice", PASSWORD).await.unwrap_err();
        verify(&app, "alice", OTHER).await.unwrap();
    });
}

#[test]
fn s_11_set_password_ends_all_sessions() {
    bounded(async {
        let app = app();
        let alice = register(&app, "alice").await;
        for _ in 0..2 {
            open(&app.jwtauth, &alice).await;
        }
        let changed = accounts(&app).set_password(alice.id, OTHER).await.unwrap();
        assert_eq!(live(&app.jwtauth, &alice).await, []);
        assert_eq!(accounts(&app).by_id(alice.id).await.unwrap(), Some(changed));
        verify(&app, "alice", PASSWORD).await.unwrap_err();
        verify(&app, "alice", OTHER).await.unwrap();
    });
}

#[test]
fn s_11_a_disabled_account_has_no_session_and_gets_none() {
    bounded(async {
        let app = app();
        let alice = register(&app, "alice").await;
        open(&app.jwtauth, &alice).await;
        let off = accounts(&app).disable(alice.id).await.unwrap();
        assert!(!off.active);
        assert_eq!(live(&app.jwtauth, &alice).await, []);
        let refused = verify(&app, "alice", PASSWORD).await;
        assert!(matches!(refused, Err(AccountError::InvalidCredentials)), "{refused:?}");
        // A new password is no way around it.
        accounts(&app).set_password(alice.id, OTHER).await.unwrap();
        verify(&app, "alice", OTHER).await.unwrap_err();
        accounts(&app).enable(alice.id).await.unwrap();
        let back = verify(&app, "alice", OTHER).await.unwrap();
        open(&app.jwtauth, &back).await;
        assert_eq!(live(&app.jwtauth, &alice).await.len(), 1);
    });
}

/// S-11: connections that stay open hear of it, and so do hooks.
#[test]
fn s_11_those_who_wait_for_the_end_of_a_session_are_told() {
    bounded(async {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let app = TestApp::with(TestStore::new(), |builder| {
            let heard = Arc::clone(&heard);
            builder.accounts(AccountsConfig::default()).on_event(move |event| {
                if let Event::AllRevoked { except, count, reason, .. } = event {
                    heard.lock().unwrap().push((except, count, reason));
                }
                async {}
            })
        });
        let alice = register(&app, "alice").await;
        let (own, other) = (open(&app.jwtauth, &alice).await, open(&app.jwtauth, &alice).await);
        let ends = [app.jwtauth.sessions().end_of(other.id), app.jwtauth.sessions().end_of(own.id)];
        let [other_ends, own_ends] = ends.map(|end| tokio::spawn(async move { end.wait().await }));
        tokio::time::sleep(Duration::from_millis(50)).await;
        accounts(&app).change_password(alice.id, PASSWORD, OTHER, Some(own.id)).await.unwrap();
        let soon = Duration::from_secs(5);
        let ended = tokio::time::timeout(soon, other_ends).await.unwrap().unwrap();
        assert_eq!(ended, EndReason::Revoked(RevocationReason::Requested));
        assert!(!own_ends.is_finished());
        accounts(&app).disable(alice.id).await.unwrap();
        let ended = tokio::time::timeout(soon, own_ends).await.unwrap().unwrap();
        assert_eq!(ended, EndReason::Revoked(RevocationReason::Inactive));
        let heard = heard.lock().unwrap().clone();
        assert_eq!(
            heard,
            [(Some(own.id), 1, RevocationReason::Requested), (None, 1, RevocationReason::Inactive)]
        );
    });
}

/// S-11: the password was checked, then it was changed, then the session was opened: it is taken back.
#[test]
fn s_11_a_login_that_was_overtaken_is_taken_back() {
    bounded(async {
        let app = app();
        let alice = register(&app, "alice").await;
        let checked = verify(&app, "alice", PASSWORD).await.unwrap();
        accounts(&app).change_password(alice.id, PASSWORD, OTHER, None).await.unwrap();
        let late = app.jwtauth.sessions().login(&checked, Device::default()).await;
        assert!(matches!(late, Err(SessionError::Inactive)), "{late:?}");
        assert_eq!(live(&app.jwtauth, &alice).await, []);
        // The same for roles that were taken away, and for a state.
        let checked = verify(&app, "alice", OTHER).await.unwrap();
        accounts(&app).set_roles(alice.id, ["admin"]).await.unwrap();
        assert!(app.jwtauth.sessions().login(&checked, Device::default()).await.is_err());
        let checked = verify(&app, "alice", OTHER).await.unwrap();
        open(&app.jwtauth, &checked).await;
        accounts(&app).disable(alice.id).await.unwrap();
        accounts(&app).enable(alice.id).await.unwrap();
        assert!(app.jwtauth.sessions().login(&checked, Device::default()).await.is_err());
        assert_eq!(live(&app.jwtauth, &alice).await, []);
    });
}

async fn logins_race_with_disable(store: impl SessionStore) {
    let app = with(store, AccountsConfig::default());
    let mut alice = register(&app, "alice").await;
    let (mut opened, mut refused) = (0, 0);
    for _ in 0..30 {
        let logins: Vec<_> = (0..8)
            .map(|_| {
                let (jwtauth, alice) = (app.jwtauth.clone(), alice.clone());
                tokio::spawn(async move { jwtauth.sessions().login(&alice, Device::default()).await.is_ok() })
            })
            .collect();
        let (id, switch) = (alice.id, accounts(&app).clone());
        let off = tokio::spawn(async move { switch.disable(id).await });
        for login in logins {
            if login.await.unwrap() {
                opened += 1;
            } else {
                refused += 1;
            }
        }
        off.await.unwrap().unwrap();
        assert_eq!(live(&app.jwtauth, &alice).await, [], "whatever came first");
        alice = accounts(&app).enable(id).await.unwrap();
    }
    println!("{opened} logins came first, {refused} came too late");
    assert!(opened + refused == 240);
}

#[test]
fn s_11_no_session_outlives_a_disable_that_races_with_logins() {
    bounded(async {
        logins_race_with_disable(TestStore::new()).await;
        let dir = tempfile::tempdir().unwrap();
        logins_race_with_disable(SledStore::open(dir.path().join("store")).await.unwrap()).await;
    });
}

#[test]
fn roles_count_in_live_sessions_at_once() {
    bounded(async {
        let app = app();
        let alice = register(&app, "alice").await;
        let session = open(&app.jwtauth, &alice).await;
        let changed = accounts(&app).set_roles(alice.id, ["admin", "ops", "admin"]).await.unwrap();
        assert_eq!(changed.roles, ["admin", "ops"]);
        let now = live(&app.jwtauth, &alice).await.remove(0);
        assert_eq!((now.id, &now.roles), (session.id, &changed.roles));
        let none: [&str; 0] = [];
        accounts(&app).set_roles(alice.id, none).await.unwrap();
        assert!(live(&app.jwtauth, &alice).await[0].roles.is_empty());
    });
}

#[test]
fn roles_that_cannot_be_are_refused_and_change_nothing() {
    bounded(async {
        let app = app();
        let alice = register(&app, "alice").await;
        accounts(&app).set_roles(alice.id, ["admin"]).await.unwrap();
        let (long, longer) = ("r".repeat(64), "r".repeat(65));
        for bad in ["", "a\nb", &longer, "admin,editor", "admin|editor", " admin", "admin\u{a0}"] {
            let refused = accounts(&app).set_roles(alice.id, [bad]).await;
            assert!(matches!(refused, Err(AccountError::Role { .. })), "{bad:?}: {refused:?}");
        }
        let many = accounts(&app).set_roles(alice.id, (0..65).map(|n| n.to_string())).await;
        assert!(matches!(many, Err(AccountError::Role { .. })), "{many:?}");
        // Each may be, but all together do not fit into a cookie.
        let large = accounts(&app).set_roles(alice.id, (0..64).map(|n| format!("{n:064}"))).await;
        assert!(matches!(large, Err(AccountError::Session(SessionError::TokenTooLarge { .. }))), "{large:?}");
        assert_eq!(accounts(&app).by_id(alice.id).await.unwrap().unwrap().roles, ["admin"]);
        accounts(&app).set_roles(alice.id, [long]).await.unwrap();
    });
}

/// Of changes at once none is lost, and live sessions end up with what the account has.
#[test]
fn changes_at_once_leave_account_and_sessions_alike() {
    bounded(async {
        let app = app();
        let alice = register(&app, "alice").await;
        open(&app.jwtauth, &alice).await;
        for round in 0..10 {
            let tasks: Vec<_> = (0..8)
                .map(|number| {
                    let accounts = accounts(&app).clone();
                    tokio::spawn(
                        async move { accounts.set_roles(alice.id, [format!("role-{number}")]).await },
                    )
                })
                .collect();
            for task in tasks {
                task.await.unwrap().unwrap();
            }
            let now = accounts(&app).by_id(alice.id).await.unwrap().unwrap();
            assert_eq!(now.revision, (round + 1) * 8, "each was made");
            assert_eq!(live(&app.jwtauth, &alice).await[0].roles, now.roles, "round {round}");
        }
    });
}

#[test]
fn s_16_guesses_at_the_old_password_are_slowed_down_by_themselves() {
    bounded(async {
        let app = app();
        let alice = register(&app, "alice").await;
        for _ in 0..5 {
            accounts(&app).change_password(alice.id, OTHER, OTHER, None).await.unwrap_err();
        }
        let throttled = accounts(&app).change_password(alice.id, PASSWORD, OTHER, None).await;
        assert!(matches!(throttled, Err(AccountError::RateLimited { .. })), "{throttled:?}");
        verify(&app, "alice", PASSWORD).await.unwrap();
        app.clock.advance(Duration::from_secs(1));
        accounts(&app).change_password(alice.id, PASSWORD, OTHER, None).await.unwrap();
    });
}

/// Whoever removes their account is out at once, everywhere, and for good; the name is somebody else's from then on.
#[test]
fn s_11_a_removed_account_leaves_nobody_logged_in() {
    bounded(async {
        let app = app();
        let (alice, bob) = (register(&app, "alice").await, register(&app, "bob").await);
        for account in [&alice, &alice, &bob] {
            open(&app.jwtauth, account).await;
        }
        let end = app.jwtauth.sessions().end_of(live(&app.jwtauth, &alice).await[0].id);
        accounts(&app).remove(alice.id).await.unwrap();
        assert!(matches!(end.wait().await, EndReason::Revoked(RevocationReason::Inactive)));
        assert_eq!((live(&app.jwtauth, &alice).await.len(), live(&app.jwtauth, &bob).await.len()), (0, 1));
        let gone = verify(&app, "alice", PASSWORD).await;
        assert!(matches!(gone, Err(AccountError::InvalidCredentials)), "{gone:?}");
        // A login that was on its way with the account as it was.
        let late = app.jwtauth.sessions().login(&alice, Device::default()).await;
        assert!(matches!(late, Err(SessionError::Inactive)), "{late:?}");
        assert_eq!(live(&app.jwtauth, &alice).await, []);

        let other = accounts(&app).register("ALICE", OTHER).await.unwrap();
        assert_ne!(other.id, alice.id);
        verify(&app, "alice", PASSWORD).await.unwrap_err();
        verify(&app, "alice", OTHER).await.unwrap();
        let twice = accounts(&app).remove(alice.id).await;
        assert!(matches!(twice, Err(AccountError::NotFound)), "{twice:?}");
        assert_eq!(accounts(&app).by_id(other.id).await.unwrap().map(|it| it.name), Some("ALICE".into()));
    });
}

#[test]
fn nothing_is_changed_of_an_account_that_is_not_there() {
    bounded(async {
        let app = app();
        let nobody = AccountId::random().unwrap();
        let accounts = accounts(&app);
        assert_eq!(accounts.by_id(nobody).await.unwrap(), None);
        let outcomes = [
            accounts.disable(nobody).await,
            accounts.enable(nobody).await,
            accounts.set_roles(nobody, ["admin"]).await,
            accounts.set_password(nobody, PASSWORD).await,
        ];
        for outcome in outcomes {
            assert!(matches!(outcome, Err(AccountError::NotFound)), "{outcome:?}");
        }
        let change = accounts.change_password(nobody, PASSWORD, OTHER, None).await;
        assert!(matches!(change, Err(AccountError::InvalidCredentials)), "{change:?}");
    });
}
