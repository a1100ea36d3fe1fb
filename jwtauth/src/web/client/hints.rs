//! What a browser says about itself in client hints, which override its `User-Agent`.
//!
//! Browsers built on Chromium send `Sec-CH-UA` and `-Platform` over https, and the others if the application
//! asked with `Accept-CH`. They are structured fields (RFC 9651). A malformed field counts as not sent, and
//! so does a malformed version. `-Mobile` is not read: no list of sessions shows it.
//!
//! A list of brands has a made-up one (GREASE), in many spellings. It is skipped, like everything that is not
//! a plain name. Of the others, the best known is the browser's own.
//!
//! The crate `sfv` parses them. Version 0.15, because 0.16 needs a newer Rust than this crate.

use poem::http::{HeaderMap, HeaderName};
use sfv::{BareItem, Item, List, ListEntry, Parser};

use super::agent::version;
use super::{MAX_NAME, app_name, os_name};
use crate::device::Device;

/// Longest header that is parsed, in bytes. Browsers send some 100.
const MAX_HINT: usize = 1_024;

const BRANDS: HeaderName = HeaderName::from_static("sec-ch-ua");
const FULL_BRANDS: HeaderName = HeaderName::from_static("sec-ch-ua-full-version-list");
const PLATFORM: HeaderName = HeaderName::from_static("sec-ch-ua-platform");
const PLATFORM_VERSION: HeaderName = HeaderName::from_static("sec-ch-ua-platform-version");
const MODEL: HeaderName = HeaderName::from_static("sec-ch-ua-model");

/// The headers that are read.
pub(super) const ALL: [HeaderName; 5] = [BRANDS, FULL_BRANDS, PLATFORM, PLATFORM_VERSION, MODEL];

/// Known brands. The most specific come first: a browser built on Chrome may name Chrome too.
const KNOWN: [&str; 12] = [
    "Android WebView",
    "Brave",
    "DuckDuckGo",
    "HeadlessChrome",
    "Opera GX",
    "Opera",
    "Samsung Internet",
    "Vivaldi",
    "YaBrowser",
    "Microsoft Edge",
    "Microsoft Edge WebView2",
    "Google Chrome",
];

/// Overrides the description from the `User-Agent`.
pub(super) fn apply(headers: &HeaderMap, device: &mut Device) {
    if let Some((app, version)) = brand(headers, &FULL_BRANDS).or_else(|| brand(headers, &BRANDS)) {
        if version.is_some() || device.app.as_ref() != Some(&app) {
            device.app_version = version;
        }
        device.app = Some(app);
    }
    if let Some(os) = text(headers, &PLATFORM).filter(|os| is_plain(os) && os != "Unknown") {
        let os = os_name(&os).to_owned();
        if device.os.as_ref() != Some(&os) {
            (device.os_version, device.model) = (None, None);
        }
        let said = text(headers, &PLATFORM_VERSION).and_then(|said| os_version(&os, &said));
        device.os_version = said.or(device.os_version.take());
        device.os = Some(os);
    }
    if let Some(model) = text(headers, &MODEL).filter(|model| (1..=MAX_NAME).contains(&model.len())) {
        device.model = Some(model);
    }
}

/// Returns the browser's name in a list of brands, and its version.
fn brand(headers: &HeaderMap, name: &HeaderName) -> Option<(String, Option<String>)> {
    let brands: List = Parser::new(&field(headers, name)?).parse().ok()?;
    let brands = brands.iter().filter_map(|entry| match entry {
        ListEntry::Item(Item { bare_item: BareItem::String(name), params }) => {
            let version = params.get("v").and_then(|v| v.as_string()).and_then(|v| version(v.as_str()));
            Some((name.as_str(), version))
        }
        _ => None,
    });
    let rank = |name: &str| match name {
        "Chromium" => KNOWN.len() + 1,
        name => KNOWN.iter().position(|known| *known == name).unwrap_or(KNOWN.len()),
    };
    let (name, version) = brands.filter(|(name, _)| is_plain(name)).min_by_key(|(name, _)| rank(name))?;
    Some((app_name(name).to_owned(), version))
}

/// Tells whether a name is plain, and not grease such as `Not=A?Brand`.
fn is_plain(name: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    (1..=MAX_NAME).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.contains(|char: char| char.is_ascii_alphabetic())
        && name.chars().all(|char| char.is_ascii_alphanumeric() || " .-_+&".contains(char))
        && !letters.eq_ignore_ascii_case("NotABrand")
}

/// Returns the version of a system as people know it.
fn os_version(os: &str, said: &str) -> Option<String> {
    let said = version(said)?;
    let major = said.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match (os, major) {
        // The version of an API: 1 to 10 in Windows 10, 13 and more in Windows 11.
        ("Windows", Some(1..=10)) => Some("10".into()),
        ("Windows", Some(13..)) => Some("11".into()),
        // The version of the kernel.
        ("Windows" | "Linux", _) => None,
        _ => Some(said),
    }
}

/// Returns a field that is a string.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let item: Item = Parser::new(&field(headers, name)?).parse().ok()?;
    item.bare_item.as_string().map(|text| text.as_str().trim().to_owned())
}

/// Returns all lines of a field as one (RFC 9651, section 4.2), if they are not too long.
fn field(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|line| line.as_bytes()).collect();
    let field = lines.join(&b", "[..]);
    (1..=MAX_HINT).contains(&field.len()).then_some(field)
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    const CHROME: &str = r#""Not/A)Brand";v="8", "Chromium";v="126", "Google Chrome";v="126""#;

    /// Applies hints to a device, and returns the app and the system as they would be shown.
    fn applied(mut device: Device, hints: &[(&'static str, &str)]) -> (String, String) {
        let mut headers = HeaderMap::new();
        for (name, value) in hints {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        apply(&headers, &mut device);
        let words = |name: Option<String>, version: Option<String>| {
            [name, version].into_iter().flatten().collect::<Vec<_>>().join(" ")
        };
        (words(device.app, device.app_version), words(device.os.clone(), device.os_version.clone()))
    }

    fn app(brands: &str) -> String {
        applied(Device::default(), &[("sec-ch-ua", brands)]).0
    }

    /// D6: the brand that is the browser's own, with its version if it has one.
    #[test]
    fn d_6_the_browsers_own_brand_is_taken_from_the_list() {
        for (brands, want) in [
            (CHROME, "Chrome 126"),
            (r#""Chromium";v="126", "Not;A Brand";v="24", "Google Chrome";v="126""#, "Chrome 126"),
            (r#""Chromium";v="126", "Microsoft Edge";v="126""#, "Edge 126"),
            (r#""Chromium";v="126", "Foo Browser";v="7""#, "Foo Browser 7"),
            (r#""Google Chrome";v="126", "Foo Browser";v="7", "Chromium";v="126""#, "Chrome 126"),
            (r#""Google Chrome";v="126", "Brave";v="126""#, "Brave 126"),
            (r#""Chromium";v="126""#, "Chromium 126"),
            (r#""Opera"; v="110.0.5130.23""#, "Opera 110.0.5130.23"),
            (r#""Opera";x=?1;v="110";y=2.5"#, "Opera 110"),
            // A brand without a version, or with a bad one, is a brand.
            (r#""Opera", "Chromium";v="126""#, "Opera"),
            (r#""Opera";v="abc""#, "Opera"),
            (r#""Opera";v=110"#, "Opera"),
            (r#""Opera";v="110.""#, "Opera"),
            (r#""Opera";v="-1""#, "Opera"),
            (r#""Opera";v="1.2.3.4.5.6""#, "Opera 1.2.3.4.5.6"),
        ] {
            assert_eq!(app(brands), want, "{brands}");
        }
    }

    /// Defect 22: grease is no browser, in none of its spellings, and quotes are no part of a name.
    #[test]
    fn defect_22_grease_is_skipped() {
        for grease in [
            "Not=A?Brand",
            "Not A;Brand",
            " Not A;Brand",
            " Not;A Brand",
            ";Not A Brand",
            "Not A Brand",
            "Not-A.Brand",
            "Not_A Brand",
            "Not.A/Brand",
            "Not:A-Brand",
            "Not)A;Brand",
            "(Not(A:Brand",
            "Not/A)Brand",
            "Not?A_Brand",
            r#"\\Not\"A;Brand"#,
            "not a brand",
            "?",
            " ",
            "",
            "24",
            "Brand<script>",
        ] {
            let first = format!(r#""{grease}";v="24", "Chromium";v="126""#);
            assert_eq!(app(&first), "Chromium 126", "{first}");
            let only = format!(r#""{grease}";v="24""#);
            assert_eq!(app(&only), "", "{only}");
        }
    }

    #[test]
    fn a_header_that_is_malformed_counts_as_not_sent() {
        let long = format!(r#""Opera";v="{}""#, "1".repeat(1_100));
        for brands in [
            r#""Opera"#,
            r#"Opera";v="1""#,
            r#""Opera";v="1" "Chromium""#,
            r#""Opera","#,
            "\"Op\u{e9}ra\"",
            "Opera",
            "?1",
            "(\"Opera\")",
            ",",
            "",
            &long,
        ] {
            let told = Device { app: Some("Firefox".into()), ..Device::default() };
            assert_eq!(applied(told, &[("sec-ch-ua", brands)]).0, "Firefox", "{brands}");
        }
        // The longer list is asked first, the shorter one if that says nothing.
        let full = r#""Google Chrome";v="126.0.6478.61""#;
        for (full, want) in [(full, "Chrome 126.0.6478.61"), ("\"", "Chrome 126"), ("\"?\"", "Chrome 126")] {
            let hints = [("sec-ch-ua", CHROME), ("sec-ch-ua-full-version-list", full)];
            assert_eq!(applied(Device::default(), &hints).0, want, "{full}");
        }
        // One list may come in several lines.
        let lines = [("sec-ch-ua", r#""Chromium";v="126""#), ("sec-ch-ua", r#""Opera";v="110""#)];
        assert_eq!(applied(Device::default(), &lines).0, "Opera 110");
    }

    #[test]
    fn the_platform_overrides_the_system() {
        for (platform, version, want) in [
            (r#""Linux""#, "", "Linux"),
            (r#""Linux""#, r#""6.5.0""#, "Linux"),
            (r#""macOS""#, r#""14.5.0""#, "macOS 14.5.0"),
            (r#""Android""#, r#""14""#, "Android 14"),
            (r#""Chromium OS""#, "", "Chrome OS"),
            (r#""Windows""#, r#""0.3.0""#, "Windows"),
            (r#""Windows""#, r#""1.0.0""#, "Windows 10"),
            (r#""Windows""#, r#""10.0.0""#, "Windows 10"),
            (r#""Windows""#, r#""11.0.0""#, "Windows"),
            (r#""Windows""#, r#""13.0.0""#, "Windows 11"),
            (r#""Windows""#, r#""99999999999""#, "Windows"),
            // Defect 21: five parts, and what is no version.
            (r#""macOS""#, r#""14.5.0.1.2""#, "macOS 14.5.0.1.2"),
            (r#""macOS""#, r#""x.5""#, "macOS"),
            (r#""macOS""#, "14", "macOS"),
            (r#""macOS""#, "\"", "macOS"),
            // Missing or unreadable hints: what the agent says.
            (r#""Unknown""#, r#""1""#, "iOS 17"),
            (r#""""#, "", "iOS 17"),
            ("Linux", "", "iOS 17"),
            (r#""<b>""#, "", "iOS 17"),
            (r#""iOS""#, "", "iOS 17"),
            (r#""iOS""#, r#""18.1""#, "iOS 18.1"),
        ] {
            let told = Device { os: Some("iOS".into()), os_version: Some("17".into()), ..Device::default() };
            let hints = [("sec-ch-ua-platform", platform), ("sec-ch-ua-platform-version", version)];
            assert_eq!(applied(told, &hints).1, want, "{platform} {version}");
        }
    }

    /// D5: the model of a hint overrides that of the agent, which another system overrides too.
    #[test]
    fn d_5_the_model_hint_overrides_the_agents() {
        let model = |hints: &[(&'static str, &str)]| {
            let mut device =
                Device { os: Some("Android".into()), model: Some("SM-S906N".into()), ..Device::default() };
            let mut headers = HeaderMap::new();
            for (name, value) in hints {
                headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
            }
            apply(&headers, &mut device);
            device.model
        };
        let (long, most) = (format!("\"{}\"", "x".repeat(65)), format!("\"{}\"", "x".repeat(64)));
        for (hint, want) in [
            (r#""Pixel 9""#, Some("Pixel 9")),
            (r#""a\"b""#, Some("a\"b")),
            (r#""""#, Some("SM-S906N")),
            ("Pixel", Some("SM-S906N")),
            (&long, Some("SM-S906N")),
            (&most, Some(most.trim_matches('"'))),
        ] {
            assert_eq!(model(&[("sec-ch-ua-model", hint)]).as_deref(), want, "{hint}");
        }
        assert_eq!(model(&[("sec-ch-ua-platform", "\"Windows\"")]), None);
    }
}
