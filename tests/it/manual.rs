//! `jwtauth completions` and `jwtauth man`: shells take them, and each command has a page.

use std::fs;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jwtauth_program")).args(arguments).output().unwrap()
}

#[test]
fn a_shell_takes_the_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        let text = String::from_utf8(script.stdout).unwrap();
        assert!(script.status.success() && text.contains("jwtauth"), "{shell}: {text}");
        assert!(text.contains("revoke"), "{shell} knows the commands below `sessions`");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completions");
    fs::write(&file, run(&["completions", "bash"]).stdout).unwrap();
    // As bash asks for the word after `jwtauth acc`.
    let script = r#". "$0"; COMP_WORDS=(jwtauth acc); COMP_CWORD=1; _jwtauth jwtauth acc jwtauth; echo "${COMPREPLY[@]}""#;
    let completed = Command::new("bash").args(["-c", script]).arg(&file).output().unwrap();
    assert_eq!(String::from_utf8(completed.stdout).unwrap(), "accounts\n");
    assert_eq!(run(&["completions", "dos"]).status.code(), Some(2));
}

#[test]
fn each_command_has_a_page() {
    let page = String::from_utf8(run(&["man"]).stdout).unwrap();
    assert!(page.contains(".TH jwtauth 1") && page.contains("Exit codes"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man1");
    assert!(run(&["man", pages.to_str().unwrap()]).status.success());
    for command in ["jwtauth", "jwtauth-sessions-revoke", "jwtauth-accounts-add", "jwtauth-new"] {
        let page = fs::read_to_string(pages.join(format!("{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{command}: {page}");
    }
    for page in fs::read_dir(&pages).unwrap().map(|page| fs::read_to_string(page.unwrap().path()).unwrap()) {
        assert!(!page.contains('`'), "marks of Markdown: {page}");
    }
    let refused = run(&["man", "/dev/null/pages"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}
