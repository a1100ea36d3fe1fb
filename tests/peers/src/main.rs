//! Servers that do the same with sessions in a database, and what drives and measures them. `run` starts it.

mod drive;
mod far_away;
mod measure;
mod servers;

use std::env;

fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", name, address, database] => servers::serve(name, address, database),
        ["measure", rounds, postgres, redis, postmaster, redis_server] => {
            let number = |text: &str| text.parse().expect("a number");
            let postgres = measure::Database { address: postgres, process: number(postmaster) };
            let redis = measure::Database { address: redis, process: number(redis_server) };
            measure::measure(number(rounds) as usize, &postgres, &redis);
        }
        _ => panic!("see tests/peers/run"),
    }
}
