//! A file or directory that is named for something else: it stays as it was, and the answer says what to write.

use std::fs;
use std::time::Duration;

use tests::bounded_by;

use super::*;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The number would take the place of what is in it.
#[test]
fn a_rollback_counter_that_is_somebodys_file_is_refused() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (store(folder.path()).await, folder.path().join("backup"));
        assert_eq!(run(&path, "", &["backup", text(&backup)]).code, 0);
        let bytes = fs::read(&backup).unwrap();
        // A number has 20 bytes. What is no longer may be somebody's too.
        let (note, key) = (folder.path().join("note"), folder.path().join("key"));
        fs::write(&note, "do not lose this\n").unwrap();
        fs::write(&key, [0xa5; 32]).unwrap();
        for (words, code) in
            [(&["repair", "--yes"][..], 3), (&["restore", text(&backup), "--yes"], 3), (&["doctor"], 2)]
        {
            for counter in [&*backup, folder.path(), &note, &key] {
                let refused = run(&path, "", &[words, &["--rollback-counter", text(counter)]].concat());
                assert_eq!(
                    (refused.code, refused.err.contains("rollback counter")),
                    (code, true),
                    "{refused:?}"
                );
                assert!(!refused.err.contains("panicked"), "{refused:?}");
            }
        }
        let config = |counter: &Path| jwtauth::SledConfig::new(&path).rollback_counter(counter);
        for counter in [&note, &key] {
            let refused = jwtauth::SledStore::open(config(counter)).await.unwrap_err();
            assert!(refused.to_string().contains("rollback counter"), "{refused}");
        }
        assert!(fs::read(&backup).unwrap() == bytes);
        assert_eq!(fs::read_to_string(&note).unwrap(), "do not lose this\n");
        assert_eq!(fs::read(&key).unwrap(), [0xa5; 32]);
        assert_eq!(count(&path, "accounts"), 2);
    });
}

/// A key may be as long as a number, and looks like one that is damaged. A journal is one of another store.
#[test]
fn what_may_be_somebodys_file_is_set_aside_and_a_journal_is_no_counter() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (store(folder.path()).await, folder.path().join("other"));
        drop(jwtauth::SledStore::open(&other).await.unwrap());
        let (journal, key) = (other.join("journal"), folder.path().join("key"));
        let before = fs::read(&journal).unwrap();
        for (words, code) in [(&["repair", "--yes"][..], 1), (&["doctor"], 2)] {
            let refused = run(&path, "", &[words, &["--rollback-counter", text(&journal)]].concat());
            assert_eq!(
                (refused.code, refused.err.contains("within the directory of the store")),
                (code, true),
                "{refused:?}"
            );
        }
        assert_eq!(fs::read(&journal).unwrap(), before);
        for name in ["key.damaged", "key.damaged.2"] {
            fs::write(&key, [0xa5; 20]).unwrap();
            let done = run(&path, "", &["repair", "--yes", "--rollback-counter", text(&key)]);
            assert_eq!((done.code, done.err.contains(name)), (0, true), "{done:?}");
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), [0xa5; 20]);
            assert_ne!(fs::read(&key).unwrap(), [0xa5; 20]);
        }
    });
}

#[test]
fn pages_go_to_no_store_and_a_hyphen_is_standard_output() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let names = || fs::read_dir(&path).unwrap().count();
        let before = names();
        let refused = run(&path, "", &["man", text(&path)]);
        assert_eq!((refused.code, names()), (1, before), "{refused:?}");
        let printed = run(&path, "", &["man", "-"]);
        assert!(printed.code == 0 && printed.out.contains(".TH jwtauth"), "{printed:?}");
        let pages = folder.path().join("pages");
        assert_eq!(run(&path, "", &["man", text(&pages)]).code, 0);
        assert!(pages.join("jwtauth-compact.1").is_file());
    });
}

#[test]
fn nothing_is_made_within_the_directory_of_a_store() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let backup = folder.path().join("backup");
        assert_eq!(run(&path, "", &["backup", text(&backup)]).code, 0);
        let (within, data) = (path.join("sub/deeper"), path.join("db"));
        for words in [
            &["backup", text(&data), "--yes"][..],
            &["export", text(&data), "--yes"],
            &["backup", text(&within)],
            &["migrate", text(&path), text(&within)],
            &["restore", text(&backup), "--store", text(&within)],
        ] {
            let refused = run(&path, "", words);
            assert_eq!(
                (refused.code, refused.err.contains("name a place outside of it")),
                (1, true),
                "{refused:?}"
            );
        }
        assert_eq!(count(&path, "accounts"), 2);
    });
}

/// Two jobs write one file: the second one does nothing, and the first one says the truth.
#[test]
fn two_backups_to_one_file_do_not_meet() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = (store(folder.path()).await, folder.path().join("backup"));
        let new = jwtauth::store::operate::NewFile::begin(&file, false).unwrap();
        let second = run(&path, "", &["backup", text(&file)]);
        assert_eq!((second.code, second.err.contains("somebody else writes")), (1, true), "{second:?}");
        drop(new);
        assert_eq!(run(&path, "", &["backup", text(&file)]).code, 0);
        let restored = folder.path().join("restored");
        assert_eq!(run(&restored, "", &["restore", text(&file)]).code, 0);
    });
}

/// Nobody is logged out because there is no room to look.
#[test]
fn a_store_that_could_not_be_looked_at_is_not_taken_for_damaged() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        fs::remove_file(path.join("journal")).unwrap();
        for (words, code) in [(&["doctor"][..], 2), (&["repair", "--yes"], 3)] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
            let command = command.args(words).env("JWTAUTH_STORE", &path).env("TMPDIR", "/nonexistent");
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{output:?}");
        }
        let whole = run(&path, "", &["doctor"]);
        assert_eq!(whole.code, 0, "{whole:?}");
        assert_eq!(count(&path, "live_sessions"), 4);
    });
}

/// What a doctor says is about the store, and not about the copy that it opens.
#[test]
fn a_doctor_names_the_files_of_the_store_and_the_counter() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, counter) = (store(folder.path()).await, folder.path().join("counter"));
        let with_counter = ["--rollback-counter", text(&counter)];
        fs::write(&counter, [7; 20]).unwrap();
        let said = run(&path, "", &[&["doctor"], &with_counter[..]].concat());
        let next =
            format!("jwtauth repair --store {} --rollback-counter {}", path.display(), counter.display());
        assert_eq!((said.code, said.out.contains(&next)), (1, true), "{said:?}");
        assert!(!said.out.contains("jwtauth-doctor-"), "{said:?}");
        assert_eq!(run(&path, "", &[&["repair", "--yes"], &with_counter[..]].concat()).code, 0);
        assert_eq!(run(&path, "", &[&["doctor"], &with_counter[..]].concat()).code, 0);
        fs::remove_file(path.join("db")).unwrap();
        let said = run(&path, "", &["doctor"]);
        assert_eq!((said.code, said.out.contains("jwtauth-doctor-")), (1, false), "{said:?}");
        // What the repair has set aside is there still.
        assert!(said.out.contains("--from-aside damaged"), "{said:?}");
    });
}

/// A backup, an export and a list of accounts are three things, and each is for one command.
#[test]
fn a_file_for_another_command_is_named_with_the_one_that_reads_it() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let [backup, export, wide] = ["backup", "export", "wide"].map(|name| folder.path().join(name));
        assert_eq!(run(&path, "", &["backup", text(&backup)]).code, 0);
        assert_eq!(run(&path, "", &["export", text(&export)]).code, 0);
        let letters = fs::read_to_string(&export).unwrap();
        let letters = ['\u{feff}'].into_iter().chain(letters.chars()).collect::<String>();
        fs::write(&wide, letters.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()).unwrap();
        let reads = |command: &str| format!("`jwtauth {command}` reads");
        for (words, file, advice) in [
            (&["restore", "--yes"][..], &export, reads("import")),
            (&["import"], &backup, reads("restore")),
            (&["import"], &wide, "UTF-8".into()),
            (&["accounts", "import"], &export, reads("import")),
        ] {
            let refused = run(&path, "", &[words, &[text(file)]].concat());
            assert_eq!((refused.code, refused.err.contains(&advice)), (1, true), "{words:?}: {refused:?}");
        }
        assert_eq!(count(&path, "live_sessions"), 4);
    });
}
