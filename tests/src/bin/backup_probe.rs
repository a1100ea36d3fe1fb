//! Changes a `SledStore` without end, and takes a backup of it meanwhile, until it is killed.
//!
//! `backup_probe DIR FILE` adds accounts with two sessions each, and ends the first one of them: it prints `ADD n` when
//! that is durable. After some time it prints `BACKUP`, writes the backup, and prints `DONE`, and the changes go on.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jwtauth::store::operate::{self, NewFile};
use jwtauth::store::{AccountStore, LoginEffects, Revocation, SessionStore};
use jwtauth::{AccountId, RevocationReason, SessionId, SledStore, testing};
use tests::numbers::spread;

/// How many accounts are there before the backup begins.
const BEFORE: u64 = 200;

fn say(what: &str) {
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "{what}").and_then(|()| stdout.flush());
}

async fn change(store: SledStore, changed: Arc<AtomicU64>) {
    let mut number = 0;
    loop {
        number += 1;
        let mut account = testing::account(0, &format!("name-{number}"));
        account.id = AccountId::from_bytes(spread(number));
        for which in [0, 1] {
            let mut session = testing::session(0, &account.id.to_string());
            session.id = SessionId::from_bytes(spread(2 * number + which));
            (session.expires_at, session.absolute_expires_at) = (u64::MAX - 1, u64::MAX);
            store.insert(session, LoginEffects::default()).await.expect("insert");
        }
        let logout = Revocation { at: 200, reason: RevocationReason::Logout };
        store.revoke(SessionId::from_bytes(spread(2 * number)), logout).await.expect("revoke");
        assert!(store.create_account(account).await.expect("create_account"));
        say(&format!("ADD {number}"));
        changed.store(number, Ordering::Release);
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, file] = &args[..] else {
        eprintln!("usage: backup_probe DIR FILE");
        return ExitCode::from(2);
    };
    let store = SledStore::open(dir).await.expect("open");
    let changed = Arc::new(AtomicU64::new(0));
    let changes = tokio::spawn(change(store.clone(), Arc::clone(&changed)));
    while changed.load(Ordering::Acquire) < BEFORE {
        tokio::task::yield_now().await;
    }
    say("BACKUP");
    // Each page sees other changes.
    let go_on = |_| {
        let seen = changed.load(Ordering::Acquire);
        while changed.load(Ordering::Acquire) < seen + 5 {
            std::thread::yield_now();
        }
        std::ops::ControlFlow::Continue(())
    };
    let mut sink = NewFile::begin(Path::new(file), false).expect("a file");
    let store: Arc<dyn SessionStore> = Arc::new(store);
    operate::backup(&store, &mut sink, 1_000, &go_on).await.expect("backup");
    sink.finish().expect("on disk");
    say("DONE");
    changes.await.expect("it never ends");
    ExitCode::SUCCESS
}
