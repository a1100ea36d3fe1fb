//! A network that is far: bytes arrive as much later as it takes to count round trips.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// There and back.
pub const ROUND_TRIP: Duration = Duration::from_millis(100);

/// Passes bytes on to a server. Returns the port to use.
pub fn far_away(server: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&server).expect("the database");
            let (back, there) =
                (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
            carry(client, there);
            carry(server, back);
        }
    });
    port
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let (sender, under_way) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let _ = sender.send((Instant::now() + ROUND_TRIP / 2, buffer[..count].to_vec()));
        }
    });
    thread::spawn(move || {
        let _ = to.set_nodelay(true);
        for (arrives, bytes) in under_way {
            thread::sleep(arrives.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
    });
}
