//! Events of accounts: what the application hears of changes (M-21).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jwtauth::{AccountsConfig, Event};
use tests::app::TestApp;
use tests::bounded;
use tests::test_store::TestStore;

use super::{OTHER, PASSWORD, accounts, register};

/// What an application needs to keep rows of its own beside the accounts.
#[test]
fn m_21_changes_of_accounts_are_events() {
    bounded(async {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heard);
        let hook = move |event: Event| {
            let line = match &event {
                Event::AccountRegistered { account, name } => format!("{account} {name}"),
                Event::RolesSet { account, roles } => format!("{account} {roles:?}"),
                Event::AccountRemoved { account }
                | Event::AccountDisabled { account }
                | Event::AccountEnabled { account }
                | Event::PasswordChanged { account }
                | Event::PasswordSet { account } => account.to_string(),
                _ => return std::future::ready(()),
            };
            noted.lock().unwrap().push(format!("{} {line}", event.name()));
            std::future::ready(())
        };
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.accounts(AccountsConfig::default()).on_event(hook)
        });
        let accounts = accounts(&app);
        let id = register(&app, "Ann").await.id;
        for (name, password) in [("ann", OTHER), ("ann", "short"), ("", PASSWORD)] {
            accounts.register(name, password).await.unwrap_err();
        }
        accounts.change_password(id, PASSWORD, OTHER, None).await.unwrap();
        accounts.change_password(id, PASSWORD, OTHER, None).await.unwrap_err();
        accounts.set_password(id, PASSWORD).await.unwrap();
        accounts.set_roles(id, ["editor"]).await.unwrap();
        // What was so already is no event.
        for _ in 0..2 {
            assert!(!accounts.disable(id).await.unwrap().active);
        }
        for _ in 0..2 {
            assert!(accounts.enable(id).await.unwrap().active);
        }
        accounts.remove(id).await.unwrap();
        accounts.remove(id).await.unwrap_err();
        let told = [
            format!("account_registered {id} Ann"),
            format!("password_changed {id}"),
            format!("password_set {id}"),
            format!("roles_set {id} [\"editor\"]"),
            format!("account_disabled {id}"),
            format!("account_enabled {id}"),
            format!("account_removed {id}"),
        ];
        assert_eq!(*heard.lock().unwrap(), told);
    });
}

/// A client that hangs up while its registration is being written leaves no account that nobody heard of.
#[test]
fn m_21_no_event_is_lost_with_the_caller() {
    bounded(async {
        let heard = Arc::new(Mutex::new(0));
        let noted = Arc::clone(&heard);
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.accounts(AccountsConfig::default()).on_event(move |event| {
                if let Event::AccountRegistered { .. } = event {
                    *noted.lock().unwrap() += 1;
                }
                std::future::ready(())
            })
        });
        // Dropped after each number of polls that there is.
        for polls in 0..100 {
            let name = format!("user{polls}");
            let mut registering = Box::pin(accounts(&app).register(&name, PASSWORD));
            for _ in 0..polls {
                tokio::task::yield_now().await;
                if let std::task::Poll::Ready(account) = futures_util::poll!(&mut registering) {
                    account.unwrap();
                    assert!(accounts(&app).by_name(&name).await.unwrap().is_some());
                    break;
                }
                if polls % 2 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        // Those that nobody waits for may still be on their way, and each is heard of after it was made.
        loop {
            let heard = *heard.lock().unwrap();
            let mut made = 0;
            for polls in 0..100 {
                made += u32::from(accounts(&app).by_name(&format!("user{polls}")).await.unwrap().is_some());
            }
            assert!((1..=made).contains(&heard), "{heard} of {made}");
            if heard == made {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}
