//! What a `User-Agent` says: the program, the system, the model.
//!
//! With the feature `devices` (on by default), the crate `ua-parser` recognises browsers and systems by the
//! rules of uap-core (`uap-core.json`; `uap-core.md` says why). Without it, programs that name themselves
//! first are recognised, such as `curl/8.5.0`, and the common words for systems.
//!
//! # Invariants
//!
//! 1. Any text gives a result. At most 512 bytes are read, and the regular expressions take linear time.
//! 2. A version that browsers have frozen, such as Windows NT 10.0, is left out: it says nothing.

use super::MAX_NAME;
#[cfg(feature = "devices")]
use super::{app_name, cleaned, os_name};
use crate::device::Device;

/// Longest version that is kept, in bytes.
const MAX_VERSION: usize = 32;

/// Describes the client by its `User-Agent`, which was cleaned and cut before.
pub(super) fn read(agent: &str) -> Device {
    let comment = comment(agent);
    let mut device = known(agent);
    if device.app.is_none() {
        (device.app, device.app_version) = product(agent);
    }
    if device.os.is_none() {
        device.os = system(comment).map(Into::into);
    }
    device.model = model(comment).map(Into::into);
    let frozen = match (device.os.as_deref(), device.os_version.as_deref()) {
        (Some("Windows"), Some("10")) => true,
        (Some("macOS"), Some(version)) => version.starts_with("10.15"),
        (Some("Android"), Some("10")) => device.model.is_none(),
        _ => false,
    };
    if frozen {
        device.os_version = None;
    }
    device
}

/// Returns a text if it is a version: numbers with dots between them.
pub(super) fn version(text: &str) -> Option<String> {
    let is_version =
        |text: &str| text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    (text.len() <= MAX_VERSION && is_version(text)).then(|| text.to_owned())
}

/// Returns the program that names itself first. Every browser says `Mozilla/5.0`.
fn product(agent: &str) -> (Option<String>, Option<String>) {
    let first = agent.split(' ').next().unwrap_or_default();
    let (name, said) = first.split_once('/').unwrap_or((first, ""));
    let sound = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
        && name.len() <= MAX_NAME;
    if sound && name != "Mozilla" { (Some(name.into()), version(said)) } else { (None, None) }
}

/// Returns the first comment, where browsers name the system.
fn comment(agent: &str) -> &str {
    let comment = agent.split_once('(').map_or("", |(_, rest)| rest);
    comment.split_once(')').map_or(comment, |(comment, _)| comment)
}

fn system(comment: &str) -> Option<&'static str> {
    let words = [
        ("iPhone", "iOS"),
        ("iPad", "iOS"),
        ("iPod", "iOS"),
        ("Android", "Android"),
        ("CrOS", "Chrome OS"),
        ("Windows", "Windows"),
        ("Macintosh", "macOS"),
        ("Linux", "Linux"),
    ];
    words.iter().find(|(word, _)| comment.contains(word)).map(|(_, name)| *name)
}

/// Returns the model: what follows Android's version, or the name of an Apple device at the start.
fn model(comment: &str) -> Option<&str> {
    let mut parts = comment.split(';').map(str::trim);
    let model = if comment.starts_with("iP") {
        parts.next().filter(|model| ["iPhone", "iPad", "iPod"].iter().any(|name| model.starts_with(name)))?
    } else {
        parts.find(|part| part.starts_with("Android"))?;
        let is_language = |part: &str| matches!(part.as_bytes(), [a, b, b'-' | b'_', _, _] if a.is_ascii_lowercase() && b.is_ascii_lowercase());
        let model = parts.find(|part| !is_language(part))?;
        let model = model.split("Build/").next().unwrap_or_default().trim();
        model.strip_prefix("SAMSUNG ").unwrap_or(model)
    };
    // Chrome says `K` for every model. The others are of browsers that name none.
    let says_nothing =
        matches!(model, "" | "K" | "Mobile" | "Tablet" | "TV" | "wv") || model.starts_with("rv:");
    (!says_nothing && model.len() <= MAX_NAME).then_some(model)
}

#[cfg(not(feature = "devices"))]
fn known(_: &str) -> Device {
    Device::default()
}

#[cfg(feature = "devices")]
fn known(agent: &str) -> Device {
    use std::sync::LazyLock;

    use ua_parser::{os, user_agent};

    #[derive(serde::Deserialize)]
    struct Rules<'a> {
        #[serde(borrow)]
        user_agent_parsers: Vec<user_agent::Parser<'a>>,
        #[serde(borrow)]
        os_parsers: Vec<os::Parser<'a>>,
    }

    type Extractors = (user_agent::Extractor<'static>, os::Extractor<'static>);

    static RULES: LazyLock<Option<Extractors>> = LazyLock::new(|| {
        let rules: Rules<'static> = serde_json::from_str(include_str!("uap-core.json")).ok()?;
        let apps = user_agent::Builder::new().push_all(rules.user_agent_parsers).ok()?.build().ok()?;
        let systems = os::Builder::new().push_all(rules.os_parsers).ok()?.build().ok()?;
        Some((apps, systems))
    });

    let mut device = Device::default();
    // A test reads all rules. If one failed, a login would not.
    let Some((apps, systems)) = &*RULES else { return device };
    let joined = |parts: [Option<&str>; 3]| {
        let parts: Vec<_> =
            parts.into_iter().map_while(|part| part.filter(|part| !part.is_empty())).collect();
        Some(parts.join(".")).filter(|version| !version.is_empty() && version.len() <= MAX_VERSION)
    };
    if let Some(found) = systems.extract(agent) {
        device.os_version = joined([found.major.as_deref(), found.minor.as_deref(), found.patch.as_deref()]);
        device.os = Some(cleaned(os_name(&found.os), MAX_NAME));
    }
    if let Some(found) = apps.extract(agent).filter(|found| Some(&*found.family) != device.os.as_deref()) {
        device.app = Some(cleaned(app_name(&found.family), MAX_NAME));
        device.app_version = joined([found.major, found.minor, found.patch]);
    }
    device
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what is shown of an agent, with all of its versions.
    #[cfg(feature = "devices")]
    fn shown(agent: &str) -> [String; 3] {
        let Device { app, app_version, os, os_version, model, .. } = read(agent);
        let words = |name: Option<String>, version: Option<String>| {
            [name, version].into_iter().flatten().collect::<Vec<_>>().join(" ")
        };
        [words(app, app_version), words(os, os_version), model.unwrap_or_default()]
    }

    #[cfg(feature = "devices")]
    #[test]
    fn browsers_and_programs_are_recognised() {
        let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0";
        let safari = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
        for (agent, want) in [
            (
                format!("Mozilla/5.0 (X11; Linux x86_64) {chrome} Safari/537.36"),
                ["Chrome 126.0.0", "Linux", ""],
            ),
            (
                format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {chrome} Safari/537.36"),
                ["Chrome 126.0.0", "Windows", ""],
            ),
            (
                format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {chrome} Safari/537.36 Edg/126.0.0.0"),
                ["Edge 126.0.0", "Windows", ""],
            ),
            (
                format!("Mozilla/5.0 (Windows NT 6.1) {chrome} Safari/537.36 OPR/110.0.0.0"),
                ["Opera 110.0.0", "Windows 7", ""],
            ),
            (
                format!("Mozilla/5.0 (Linux; Android 10; K) {chrome} Mobile Safari/537.36"),
                ["Chrome 126.0.0", "Android", ""],
            ),
            (
                format!("Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UD1A) {chrome} Mobile Safari/537.36"),
                ["Chrome 126.0.0", "Android 14", "Pixel 8"],
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36".into(),
                ["Samsung Internet 25.0", "Android 14", "SM-S921B"],
            ),
            (
                format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {chrome} Safari/537.36"),
                ["Chrome 126.0.0", "Chrome OS 14541.0.0", ""],
            ),
            (
                format!(
                    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {safari} Version/17.5 Safari/605.1.15"
                ),
                ["Safari 17.5", "macOS", ""],
            ),
            (
                format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {safari} Version/17.5 Mobile/15E148 Safari/604.1"
                ),
                ["Safari 17.5", "iOS 17.5", "iPhone"],
            ),
            (
                format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {safari} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1"
                ),
                ["Chrome 126.0.6478", "iOS 17.5", "iPhone"],
            ),
            (
                format!(
                    "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) {safari} FxiOS/127.0 Mobile/15E148 Safari/605.1.15"
                ),
                ["Firefox 127.0", "iOS 17.5", "iPad"],
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0".into(),
                ["Firefox 127.0", "Linux", ""],
            ),
            (
                "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0".into(),
                ["Firefox 127.0", "Android 14", ""],
            ),
            ("curl/8.5.0".into(), ["curl 8.5.0", "", ""]),
            ("python-requests/2.32.3".into(), ["Python Requests 2.32", "", ""]),
            (
                "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A)".into(),
                ["Dalvik 2.1.0", "Android 14", "Pixel 8"],
            ),
            (
                "MyApp/3.2 (com.example.app; build:7; iOS 17.4.1) Alamofire/5.9.1".into(),
                ["MyApp 3.2", "iOS 17.4.1", ""],
            ),
        ] {
            assert_eq!(shown(&agent), want, "{agent}");
        }
    }

    /// S-12: a rule may take what comes for a version.
    #[cfg(feature = "devices")]
    #[test]
    fn s_12_a_name_and_a_version_are_bounded() {
        let long = "x".repeat(400);
        assert_eq!(shown(&format!("VLC/3.0.{long}")), ["VLC", "", ""]);
        let device = read(&format!("{long}bot/1.0"));
        assert!(device.app.is_some_and(|app| app.len() <= MAX_NAME));
    }

    /// What is left without the feature, and for programs that no rule knows.
    #[test]
    fn who_names_itself_is_believed() {
        for (agent, want) in [
            ("acme-sync/8.5.0 (+https://example.com)", ("acme-sync", Some("8.5.0"))),
            ("acme-sync/beta", ("acme-sync", None)),
            ("acme-sync", ("acme-sync", None)),
            ("Mozilla/5.0 (X11; Linux x86_64)", ("", None)),
            ("/8", ("", None)),
            ("8/8", ("", None)),
            ("<b>/8", ("", None)),
            ("", ("", None)),
        ] {
            let (name, version) = product(agent);
            assert_eq!((name.unwrap_or_default().as_str(), version.as_deref()), want, "{agent}");
        }
        for (agent, system_, model_) in [
            ("Mozilla/5.0 (X11; Linux x86_64) Firefox/127.0", "Linux", ""),
            ("Mozilla/5.0 (Windows NT 10.0; Win64)", "Windows", ""),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "macOS", ""),
            ("Mozilla/5.0 (iPhone14,3; U; CPU iPhone OS 15_0 like Mac OS X)", "iOS", "iPhone14,3"),
            (
                "Mozilla/5.0 (Linux; U; Android 4.0.3; de-de; Galaxy S II Build/GRJ22)",
                "Android",
                "Galaxy S II",
            ),
            ("Mozilla/5.0 (Linux; Android 12; SM-S906N Build/QP1A.190711.020; wv)", "Android", "SM-S906N"),
            ("Mozilla/5.0 (Linux; Android 12; Build/QP1A)", "Android", ""),
            ("Mozilla/5.0 (Linux; Android 12", "Android", ""),
            ("Mozilla/5.0 (Android 14; Mobile; rv:127.0)", "Android", ""),
            ("curl/8.5.0", "", ""),
            ("(", "", ""),
            (")(", "", ""),
        ] {
            let comment = comment(agent);
            assert_eq!(system(comment).unwrap_or_default(), system_, "{agent}");
            assert_eq!(model(comment).unwrap_or_default(), model_, "{agent}");
        }
    }

    #[test]
    fn a_version_is_numbers_with_dots() {
        for (text, good) in [
            ("126", true),
            ("126.0.6478.61", true),
            ("1.2.3.4.5", true),
            ("", false),
            (".1", false),
            ("1.", false),
            ("1..2", false),
            ("1a", false),
            ("-1", false),
            ("\u{661}", false),
        ] {
            assert_eq!(version(text).is_some(), good, "{text}");
        }
    }
}
