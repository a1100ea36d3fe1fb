//! The guides for those who run a program: what they say is compared with the library, and their files with what it needs.

mod files;
mod front_end;
mod proxies;
mod settings;
mod troubleshooting;

use std::fs;
use std::process::Command;

use crate::tidy::root;

/// Reads a guide by its name.
fn guide(name: &str) -> String {
    fs::read_to_string(root().join(format!("jwtauth/src/docs/{name}.md"))).unwrap()
}

/// Returns the blocks of one language.
fn blocks(guide: &str, language: &str) -> Vec<String> {
    let fence = format!("\n```{language}\n");
    guide.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn block(name: &str, language: &str) -> String {
    let blocks = blocks(&guide(name), language);
    let [block] = &blocks[..] else { panic!("{name} has one {language}, not {}", blocks.len()) };
    block.clone()
}

/// Tells whether a program is installed.
fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
        || Command::new(program).arg("-v").output().is_ok()
}
