//! How the cost of requests, logins and sweeps, the files and the memory grow with the number of sessions.
//!
//! Run with `cargo bench -p jwtauth --bench growth`, or with the numbers of sessions:
//! `-- 1000 10000 100000 1000000`, which takes a quarter of an hour and 4 GB in the directory for temporary
//! files. Endpoints are called directly, without a network. Each number is measured in processes of their
//! own: one that may use a single core (with `taskset`), and one that may use two. All figures are of one
//! run, so their ratios are what counts. `--pictures DIRECTORY` draws them, too.
//!
//! `stage` measures one number of sessions, `cookie_file` keeps the cookies of all of them outside of the
//! memory that is measured, `sampling` chooses sessions and sums up times, and `picture` draws.

mod cookie_file;
mod picture;
#[path = "../shared/processor_time.rs"]
mod processor_time;
mod sampling;
mod stage;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// What was measured with one number of sessions and of cores, by name.
type Figures = BTreeMap<String, f64>;

/// The argument of a process that measures.
const STAGE: &str = "stage";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, sessions, cores] = &*arguments
        && first == STAGE
    {
        let number = |text: &String| text.parse().expect("a number");
        return print(&stage::measure(number(sessions), number(cores)));
    }
    let mut sizes: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 10_000];
    }
    let pictures = arguments.iter().position(|argument| argument == "--pictures");
    let pictures = pictures.map(|at| PathBuf::from(arguments.get(at + 1).expect("a directory")));

    let mut curves = Vec::new();
    for cores in [1, 2] {
        let stages: Vec<_> =
            sizes.iter().map(|&sessions| (sessions, in_own_process(sessions, cores))).collect();
        println!("\non {cores} core{}", if cores == 1 { "" } else { "s" });
        print_table(&stages);
        curves.push((cores, stages));
    }
    if let Some(directory) = pictures {
        std::fs::create_dir_all(&directory).expect("the directory can be made");
        picture::draw_requests(&directory.join("requests.svg"), &curves[0].1);
        picture::draw_logins(&directory.join("logins.svg"), &curves);
        println!("\nthe pictures are in {}", directory.display());
    }
}

/// Prints figures for the process that has started this one.
fn print(figures: &Figures) {
    println!("{}", serde_json::to_string(figures).expect("numbers are JSON"));
}

/// Measures in a process of its own, whose memory is that of one store alone.
fn in_own_process(sessions: usize, cores: usize) -> Figures {
    let program = std::env::current_exe().expect("a program");
    let mut command = Command::new("taskset");
    command.args(["-c", if cores == 1 { "0" } else { "0,1" }]).arg(program);
    command.args([STAGE, &sessions.to_string(), &cores.to_string()]).stderr(std::process::Stdio::inherit());
    let output = command.output().expect("taskset of util-linux is there");
    assert!(output.status.success(), "{sessions} sessions on {cores} cores: {}", output.status);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    serde_json::from_str(text.lines().last().expect("a line")).expect("figures")
}

/// Prints a line for each figure, and a column for each number of sessions.
fn print_table(stages: &[(usize, Figures)]) {
    print!("{:44}", "sessions");
    for (sessions, _) in stages {
        print!("{sessions:>12}");
    }
    println!();
    let names = stages.first().into_iter().flat_map(|(_, figures)| figures.keys());
    for name in names {
        print!("{name:44}");
        for (_, figures) in stages {
            let figure = figures[name];
            let digits = if figure < 10.0 { 2 } else { usize::from(figure < 1_000.0) };
            print!("{figure:>12.digits$}");
        }
        println!();
    }
}
