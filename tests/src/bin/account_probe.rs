//! Adds accounts through a `SledStore`, with a session each; disables every second one and removes every third, until
//! it is killed.
//!
//! `account_probe DIR FIRST` begins with number `FIRST`, and prints `ADD n`, `OFF n` or `GONE n` when that is durable.

use std::io::Write as _;
use std::process::ExitCode;

use jwtauth::error::StoreError;
use jwtauth::store::{AccountStore, Revocation};
use jwtauth::store::{LoginEffects, PasswordHash, StoredAccount, SubjectRevocation};
use jwtauth::{AccountId, Device, RevocationReason, Session, SessionId, SessionStore, SledStore, TokenId};
use tests::numbers::spread;

fn account(number: u64) -> StoredAccount {
    StoredAccount {
        id: AccountId::from_bytes(spread(number)),
        name: format!("Name-{number}"),
        key: format!("name-{number}"),
        hash: PasswordHash::from_phc("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into()),
        roles: vec!["admin".into()],
        active: true,
        revision: 0,
        created_at: 100,
        password_changed_at: 100,
        last_login: None,
    }
}

fn session(account: &StoredAccount) -> Session {
    Session {
        id: SessionId::from_bytes(*account.id.as_bytes()),
        subject: account.id.to_string(),
        roles: Vec::new(),
        scopes: Vec::new(),
        user: None,
        created_at: 100,
        auth_time: 100,
        absolute_expires_at: u64::MAX,
        expires_at: u64::MAX - 1,
        generation: 0,
        rotated_at: 100,
        refresh_id: TokenId::from_bytes([7; 16]),
        access_id: TokenId::from_bytes([8; 16]),
        revoked_tokens: Vec::new(),
        device: Device::default(),
        last_address: None,
        revoked: None,
    }
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
        let ends = SubjectRevocation { except: None, revocation };
        let id = account.id;
        if number % 2 == 0 {
            let off = StoredAccount { active: false, revision: 1, ..account };
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
