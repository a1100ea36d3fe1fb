//! Adds accounts through a `SledStore`, with a session each; disables every second one and removes every third, until
//! it is killed.
//!
//! `account_probe DIR FIRST` begins with number `FIRST`, and prints `ADD n`, `OFF n` or `GONE n` when that is durable.

use std::io::Write as _;
use std::process::ExitCode;

use jwtauth::error::StoreError;
use jwtauth::store::{
    AccountStore, LoginEffects, Revocation, SessionStore, StoredAccount, SubjectRevocation,
};
use jwtauth::{AccountId, RevocationReason, Session, SessionId, SledStore, testing};
use tests::numbers::spread;

fn account(number: u64) -> StoredAccount {
    let mut account = testing::account(0, &format!("name-{number}"));
    account.id = AccountId::from_bytes(spread(number));
    account
}

fn session(account: &StoredAccount) -> Session {
    let mut session = testing::session(0, &account.id.to_string());
    session.id = SessionId::from_bytes(*account.id.as_bytes());
    (session.expires_at, session.absolute_expires_at) = (u64::MAX - 1, u64::MAX);
    session
}

async fn work(dir: &str, first: u64) -> Result<(), StoreError> {
    let store = SledStore::open(dir).await?;
    let say = |what: &str, number: u64| {
        let mut stdout = std::io::stdout();
        let _ = writeln!(stdout, "{what} {number}").and_then(|()| stdout.flush());
    };
    for number in first.. {
        let account = account(number);
        store.insert(session(&account), LoginEffects::default()).await?;
        if store.create_account(account.clone()).await? {
            say("ADD", number);
        }
        let revocation = Revocation { at: 200, reason: RevocationReason::Inactive };
        let ends = SubjectRevocation::all(revocation);
        let id = account.id;
        if number % 2 == 0 {
            let mut off = account;
            (off.active, off.revision) = (false, 1);
            if store.change_account(off, 0, Some(ends)).await?.is_some() {
                say("OFF", number);
            }
        }
        if number % 3 == 0 && store.remove_account(id, ends).await?.is_some() {
            say("GONE", number);
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, first] = &args[..] else {
        eprintln!("usage: account_probe DIR FIRST");
        return ExitCode::from(2);
    };
    match work(dir, first.parse().unwrap_or(0)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}
