//! Who waits for whom, how much memory there is, and how many hashers by default.

use tokio::task::JoinHandle;

use super::*;

fn hasher(config: &AccountsConfig) -> Arc<Hasher> {
    Arc::new(Hasher::new(config).unwrap())
}

fn password(text: &str) -> Password {
    Password::typed(text).unwrap()
}

/// Holds a hasher until something is sent.
fn occupy(hasher: &Arc<Hasher>, line: Line) -> (std::sync::mpsc::Sender<()>, JoinHandle<()>) {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let hasher = Arc::clone(hasher);
    let working = tokio::spawn(async move {
        let _ = hasher.run(line, HashNeed::of(1), move |_| Ok(wait.recv().is_ok())).await;
    });
    (go, working)
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// Bounded: with one at work and one waiting, the third is told to come again.
#[tokio::test]
async fn m_1_nobody_waits_beyond_the_bound() {
    let hasher = hasher(&AccountsConfig::default().hashers(1).waiting(1));
    let (go, first) = occupy(&hasher, Line::Login);
    until(|| hasher.turns.available_permits() == 0).await;
    let second = tokio::spawn({
        let hasher = Arc::clone(&hasher);
        async move { hasher.hash(Line::Login, password("correct horse")).await }
    });
    let places = &hasher.lines[Line::Login as usize].all;
    until(|| places.available_permits() == 0).await;
    for _ in 0..100 {
        assert!(matches!(hasher.hash(Line::Login, password("x")).await, Err(AccountError::Busy)));
    }
    // An abandoned attempt frees nothing while its hash runs.
    first.abort();
    assert!(first.await.is_err());
    assert!(matches!(hasher.hash(Line::Login, password("x")).await, Err(AccountError::Busy)));
    go.send(()).unwrap();
    second.await.unwrap().unwrap();
    hasher.hash(Line::Login, password("x")).await.unwrap();
}

/// M-3: a full line keeps nobody out of another one, and the lines take turns.
#[tokio::test]
async fn m_3_a_flood_of_registrations_holds_up_no_login() {
    let hasher = hasher(&AccountsConfig::default().hashers(1).waiting(20));
    let (go, first) = occupy(&hasher, Line::Registration);
    until(|| hasher.turns.available_permits() == 0).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let begin = |line: Line| {
        let (hasher, order) = (Arc::clone(&hasher), Arc::clone(&order));
        tokio::spawn(async move {
            let note = move |_: &mut HashMemory| {
                order.lock().unwrap().push(line);
                Ok(())
            };
            hasher.run(line, HashNeed::of(1), note).await
        })
    };
    let flood: Vec<_> = (0..20).map(|_| begin(Line::Registration)).collect();
    let places = &hasher.lines[Line::Registration as usize].all;
    until(|| places.available_permits() == 0).await;
    assert!(matches!(begin(Line::Registration).await.unwrap(), Err(AccountError::Busy)));
    let logins = [begin(Line::Login), begin(Line::Known), begin(Line::Login)];
    until(|| hasher.lines[Line::Login as usize].all.available_permits() == 19).await;
    go.send(()).unwrap();
    for task in logins.into_iter().chain(flood) {
        task.await.unwrap().unwrap();
    }
    first.await.unwrap();
    let order = order.lock().unwrap();
    let last = order.iter().rposition(|line| *line != Line::Registration).unwrap();
    assert!(last < 6, "three logins and at most one registration before each: {order:?}");
}

/// M-1: what is kept is used again, and is never more than one for each hasher.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m_1_memory_is_kept_for_each_hasher_and_no_more() {
    let hasher = hasher(&AccountsConfig::default().hashers(2));
    let kept = || hasher.kept.lock().unwrap().iter().map(HashMemory::blocks).collect::<Vec<_>>();
    assert!(kept().is_empty(), "nothing before the first password");
    let many = (0..16).map(|_| {
        let hasher = Arc::clone(&hasher);
        tokio::spawn(async move { hasher.check(Line::Login, password("x"), None).await })
    });
    for task in many.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    assert!(!kept().is_empty() && kept().len() <= 2 && kept().iter().all(|blocks| *blocks == 19_456));
    // A hash of another program that takes more: 64 MiB, alone, and given back.
    let large = AccountsConfig::default().argon2(65_536, 2, 1).hashers(1);
    let hash = self::hasher(&large).hash(Line::Change, password("correct horse")).await.unwrap();
    let checked = hasher.check(Line::Login, password("correct horse"), Some(hash.clone())).await.unwrap();
    assert_eq!(checked, Checked { matches: true, stale: true });
    assert!(kept().is_empty(), "it had the memory of all hashers: {:?}", kept());
    assert!(hasher.check(Line::Login, password("correct horse"), Some(hash)).await.unwrap().matches);
    hasher.check(Line::Login, password("x"), None).await.unwrap();
    assert_eq!(kept(), [19_456]);
    let endless = hasher.method.nobody_with_memory(2 * 1024 * 1024);
    let refused = hasher.check(Line::Login, password("x"), Some(endless)).await.unwrap_err();
    assert!(refused.to_string().contains("more than 1 GiB"), "{refused}");
}

/// M-1: cores decide, unless memory is short.
#[test]
fn m_1_a_quarter_of_the_memory_is_for_hashes() {
    const MIB: u64 = 1024 * 1024;
    for (cores, memory, blocks, hashers) in [
        (2, None, 19_456, 2),
        (64, None, 19_456, 64),
        (1000, None, 19_456, 256),
        (64, Some(512 * MIB), 19_456, 6),
        (64, Some(256 * MIB), 19_456, 3),
        (2, Some(256 * MIB), 19_456, 2),
        (2, Some(128 * MIB), 19_456, 1),
        (2, Some(16 * MIB), 19_456, 1),
        (8, Some(512 * MIB), 47_104, 2),
        (0, Some(0), 19_456, 1),
    ] {
        let got = default_hashers(cores, memory, blocks);
        assert_eq!(got, hashers, "{cores} cores, {memory:?} bytes, {blocks} KiB each");
    }
}

/// A hash of another program may take minutes. The end of the program does not wait for it.
#[test]
fn m_1_a_runtime_that_ends_does_not_wait_for_a_foreign_hash() {
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (ended, has_ended) = std::sync::mpsc::channel();
    let ending = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.spawn(beside(true, move || {
            begun.send(()).unwrap();
            let _ = held.recv();
        }));
        has_begun.recv().unwrap();
        drop(runtime);
        ended.send(()).unwrap();
    });
    let has_ended = has_ended.recv_timeout(Duration::from_secs(20));
    drop(release);
    ending.join().unwrap();
    assert!(has_ended.is_ok(), "the hash goes on, and the runtime is gone");
}

/// What needs more than half of the memory is neither taken nor computed.
#[tokio::test]
async fn m_1_a_foreign_hash_that_needs_too_much_memory_is_refused() {
    let mut hasher = Hasher::new(&AccountsConfig::default()).unwrap();
    let large = |kib: u32| hasher.method.nobody_with_memory(kib);
    let (fits, too_large) = (large(64 * 1024), large(65 * 1024));
    hasher.memory = Some(128 * 1024 * 1024);
    assert!(hasher.adopt(fits.as_phc()).is_ok());
    let refused = hasher.adopt(too_large.as_phc()).unwrap_err().to_string();
    assert!(refused.contains("more than half of the memory"), "{refused}");
    let computed = hasher.computed();
    let password = Password::typed("correct horse").unwrap();
    hasher.check(Line::Login, password, Some(too_large)).await.unwrap_err();
    assert_eq!(hasher.computed(), computed);
    // Those that are made here are what the settings say.
    hasher.memory = Some(1);
    assert!(hasher.adopt(hasher.of_nobody().as_phc()).is_ok());
}
