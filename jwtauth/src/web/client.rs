//! What a request says of the client that sent it.
//!
//! Total: whatever the headers hold, there is an answer, and a login does not fail for one.

use poem::Request;
use poem::http::header;

use crate::device::Device;

/// Longest text that is kept of a `User-Agent`, in bytes (S-12).
const MAX_USER_AGENT: usize = 512;

/// The client of a request, to be described if that is needed: by a login or refresh, not by each request.
#[derive(Clone, Copy)]
pub(super) enum Client<'r> {
    Of(&'r Request),
    Known(&'r Device),
}

impl Client<'_> {
    pub(super) fn device(self) -> Device {
        match self {
            Self::Of(request) => device_of(request),
            Self::Known(device) => device.clone(),
        }
    }
}

/// Describes the client of a request.
pub(super) fn device_of(request: &Request) -> Device {
    let agent = request.headers().get(header::USER_AGENT);
    let agent = agent.map(|agent| cleaned(&String::from_utf8_lossy(agent.as_bytes()), MAX_USER_AGENT));
    Device {
        user_agent: agent.filter(|agent| !agent.is_empty()),
        address: request.remote_addr().as_socket_addr().map(|peer| peer.ip().to_canonical()),
        ..Device::default()
    }
}

/// Returns text without control characters, cut to a length in bytes.
fn cleaned(text: &str, max: usize) -> String {
    let mut clean = String::new();
    for char in text.trim().chars().filter(|char| !char.is_control()) {
        if clean.len() + char.len_utf8() > max {
            break;
        }
        clean.push(char);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S-12: nothing of any length, and no control character, gets into a record.
    #[test]
    fn s_12_a_user_agent_is_cut_and_cleaned() {
        let agent = |value: &[u8]| {
            let value = poem::http::HeaderValue::from_bytes(value).unwrap();
            device_of(&Request::builder().header(header::USER_AGENT, value).finish()).user_agent
        };
        assert_eq!(agent(b"curl/8").as_deref(), Some("curl/8"));
        assert_eq!(agent(b"a\tb").as_deref(), Some("ab"));
        assert_eq!(agent(b" ").as_deref(), None);
        assert_eq!(agent(&[b'x'; 4_000]).map(|agent| agent.len()), Some(512));
        let wide = agent("\u{e9}".repeat(400).as_bytes()).unwrap();
        assert_eq!((wide.len(), wide.chars().count()), (512, 256));
        assert_eq!(agent(b"\xff\xfe").as_deref(), Some("\u{fffd}\u{fffd}"));
        assert_eq!(device_of(&Request::default()).user_agent, None);
    }
}
