//! Long work that nobody waits for any more, and two values of one process on one store.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use jwtauth::operator::{Operator, OperatorRequest};
use jwtauth::store::SessionStore;
use jwtauth::store::operate::{self, OperateError};
use tests::faulty::Faulty;
use tests::log::logged;

use super::copies::begin;
use super::*;

/// Ctrl-C ends the program, and with it the compaction that the server does for it.
#[test]
fn a_compaction_stops_when_nobody_waits_for_it() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = Faulty::with_socket(folder.path().join("socket"));
        let _server = JwtAuth::builder().secret(SECRET).build(store.clone()).unwrap();
        let operator = Operator::connect(folder.path()).await.unwrap().expect("a server");
        let asking = tokio::spawn(async move { operator.ask(OperatorRequest::Compact).await });
        let until = async |compacts: bool| {
            while store.compacts.load(Ordering::SeqCst) != compacts {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        until(true).await;
        // It stays as long as the program does: longer than two signs of life.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(store.compacts.load(Ordering::SeqCst) && !asking.is_finished());
        asking.abort();
        until(false).await;
    });
}

/// A store that is read as a whole first, for example: the server says each second that it works on it.
#[test]
fn a_signal_ends_a_copy_that_has_not_begun() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = Faulty::with_socket(folder.path().join("socket"));
        fs::write(folder.path().join("jwtauth"), "").unwrap();
        let _server = JwtAuth::builder().secret(SECRET).build(store.clone()).unwrap();
        for (what, signal) in [("backup", "-INT"), ("export", "-TERM")] {
            let (path, file) = (folder.path().to_owned(), folder.path().join("files").join(what));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let left = file.clone();
            let stopped = tokio::task::spawn_blocking(move || {
                let child = begin(&path, &[what, file.to_str().unwrap()]);
                // From here on a signal stops it in order.
                while !file.with_file_name(format!(".{what}.jwtauth-part")).exists() {
                    std::thread::sleep(Duration::from_millis(10));
                }
                let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
                assert!(sent.success());
                child.wait_with_output().unwrap()
            });
            let stopped = stopped.await.unwrap();
            let said = String::from_utf8_lossy(&stopped.stderr).into_owned();
            assert_eq!((stopped.status.code(), said.contains("stopped")), (Some(3), true), "{what}: {said}");
            assert_eq!(fs::read_dir(left.parent().unwrap()).unwrap().count(), 0, "{what}");
        }
        // Nor does a copy that no server makes.
        let store: Arc<dyn SessionStore> = Arc::new(store);
        let stop = |_| ControlFlow::Break(());
        let stopped = operate::backup(&store, &mut Vec::new(), 1, &stop).await;
        assert!(matches!(stopped, Err(OperateError::Stopped)), "{stopped:?}");
    });
}

/// Whoever asked hears that the server is gone, and nothing of what a runtime says when it ends.
#[test]
fn a_server_that_ends_ends_a_copy_that_has_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let store = Faulty::with_socket(folder.path().join("socket"));
    fs::write(folder.path().join("jwtauth"), "").unwrap();
    let panicked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (seen, others) = (Arc::clone(&panicked), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        let is_one = panic.to_string().contains("being shutdown");
        seen.fetch_or(is_one, Ordering::Relaxed);
        others(panic);
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // It is there longer than its runtime, as in a static.
    let _server = runtime.block_on(async { JwtAuth::builder().secret(SECRET).build(store).unwrap() });
    let (path, (lives, sign)) = (folder.path().to_owned(), std::sync::mpsc::channel());
    let asking = std::thread::spawn(move || {
        let own = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        own.block_on(async {
            let operator = Operator::connect(&path).await.unwrap().expect("a server");
            let note = |_| {
                lives.send(()).unwrap();
                ControlFlow::Continue(())
            };
            operator.ask_into(OperatorRequest::Backup, &mut Vec::new(), &note).await
        })
    });
    sign.recv().unwrap();
    drop(runtime);
    let answer = asking.join().unwrap();
    assert!(answer.is_err(), "{answer:?}");
    assert!(!panicked.load(Ordering::Relaxed), "{answer:?}");
}

/// The first one has the socket. That is said, because its settings count.
#[test]
fn a_second_one_on_a_store_says_that_the_first_one_is_asked() {
    logged(async |log| {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path()).await.unwrap();
        let one = JwtAuth::builder().secret(SECRET).build(store.clone()).unwrap();
        assert!(!log.text().contains("another `JwtAuth` of this process"), "{}", log.text());
        let _other = JwtAuth::builder().secret(SECRET).build(store).unwrap();
        assert!(log.text().contains("another `JwtAuth` of this process"), "{}", log.text());
        drop(one);
    });
}
