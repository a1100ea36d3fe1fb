//! The credentials of a request, read from its raw headers.
//!
//! poem's cookie jar decodes cookie *names* (`__%48ost-x` becomes `__Host-x`, which breaks the promise of the
//! prefix). It also drops all cookies if one has a byte that is not ASCII. So the `Cookie` header is read
//! here as bytes, and nothing is decoded (H-3). Clients of RFC 2965 put a value into quotes, and send
//! `$Version` and `$Path` among the cookies: the quotes are taken off. None of our cookies has such a name
//! (N-18).
//!
//! Under settings of another kind the default names have another prefix, or the application has names of its
//! own. A cookie under such a default name is what the browser has kept from before. If it came alone, and
//! its prefix promises more, it counts. In any other case, and always beside names of the application, it
//! only names what a login and a logout revoke (N-4).
//!
//! Nothing is verified here. The form of a bearer token is in `token_header`.

use std::borrow::Cow;

use poem::http::{HeaderMap, HeaderValue, header};

use super::credential::{Credential, MAX_VALUES};
use super::token_header::TokenHeader;
use crate::web::answer::cookie::{CookieNames, FormerName};

/// How many cookies with former names are looked at.
const MAX_FORMER: usize = 2 * MAX_VALUES;

/// All the credentials of a request.
#[derive(Clone, Debug)]
pub(crate) struct Credentials<'r> {
    pub(crate) bearer: Credential<'r>,
    pub(crate) access: Credential<'r>,
    pub(crate) refresh: Credential<'r>,
    /// What came under names that the cookies have had before.
    pub(crate) former: Vec<FormerCookie<'r>>,
    /// Whether the access cookie came under such a name.
    pub(crate) is_access_former: bool,
    /// Likewise the refresh cookie.
    pub(crate) is_refresh_former: bool,
    /// Whether the refresh cookie came to a URL to which the present settings do not send it.
    pub(crate) is_refresh_misplaced: bool,
}

/// A cookie under a name that it has had before.
#[derive(Clone)]
pub(crate) struct FormerCookie<'r> {
    /// Which of [`CookieNames::former`] it is.
    pub(crate) name: usize,
    value: Cow<'r, str>,
    /// Whether it stands for the cookie of the present name.
    counts: bool,
}

impl FormerCookie<'_> {
    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    fn into_owned(self) -> FormerCookie<'static> {
        FormerCookie { name: self.name, value: Cow::Owned(self.value.into_owned()), counts: self.counts }
    }
}

impl std::fmt::Debug for FormerCookie<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FormerCookie").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'r> Credentials<'r> {
    pub(crate) fn of(headers: &'r HeaderMap, header: &TokenHeader, names: &CookieNames) -> Self {
        let mut sent = SentCookies::of(headers, names);
        let former = former_of(headers, names);
        let (is_access_former, is_refresh_former) = sent.take_former(&former, names);
        let SentCookies { access, refresh } = sent;
        let former = former
            .into_iter()
            .filter_map(|(name, value)| {
                let FormerName { is_access, is_safer, .. } = names.former[name];
                let counts = is_safer && if is_access { is_access_former } else { is_refresh_former };
                Some(FormerCookie { name, value: Cow::Borrowed(std::str::from_utf8(value).ok()?), counts })
            })
            .collect();
        Self {
            bearer: header.find(headers),
            access: access.credential(),
            refresh: refresh.credential(),
            former,
            is_access_former,
            is_refresh_former,
            is_refresh_misplaced: false,
        }
    }

    /// Reads the bearer token alone.
    pub(crate) fn bearer_of(headers: &'r HeaderMap, header: &TokenHeader) -> Self {
        Self {
            bearer: header.find(headers),
            access: Credential::Absent,
            refresh: Credential::Absent,
            former: Vec::new(),
            is_access_former: false,
            is_refresh_former: false,
            is_refresh_misplaced: false,
        }
    }

    pub(crate) fn has_bearer(&self) -> bool {
        self.bearer != Credential::Absent
    }

    pub(crate) fn has_cookie(&self) -> bool {
        self.access != Credential::Absent || self.refresh != Credential::Absent
    }

    /// Returns which former names the access cookie and the refresh cookie have here.
    pub(crate) fn counted_former(&self) -> impl Iterator<Item = usize> {
        self.former.iter().filter(|cookie| cookie.counts).map(|cookie| cookie.name)
    }

    /// Tells whether a cookie came in several forms, or in one that the present settings do not have.
    pub(crate) const fn has_other_forms(&self) -> bool {
        self.is_access_of_other_form() || self.is_refresh_of_other_form()
    }

    pub(crate) const fn is_access_of_other_form(&self) -> bool {
        self.access.is_several() || self.is_access_former
    }

    pub(crate) const fn is_refresh_of_other_form(&self) -> bool {
        self.refresh.is_several() || self.is_refresh_former || self.is_refresh_misplaced
    }

    /// Tells whether there are more cookies of one name than are looked at.
    pub(crate) const fn has_more(&self) -> bool {
        !matches!(self.bearer, Credential::One(_)) && (self.access.has_more() || self.refresh.has_more())
    }

    pub(crate) fn into_owned(self) -> Credentials<'static> {
        Credentials {
            bearer: self.bearer.into_owned(),
            access: self.access.into_owned(),
            refresh: self.refresh.into_owned(),
            former: self.former.into_iter().map(FormerCookie::into_owned).collect(),
            is_access_former: self.is_access_former,
            is_refresh_former: self.is_refresh_former,
            is_refresh_misplaced: self.is_refresh_misplaced,
        }
    }
}

/// Both cookies as they were sent, found in one pass over the header.
#[derive(Debug, Default)]
pub(crate) struct SentCookies<'r> {
    access: SentValues<'r>,
    refresh: SentValues<'r>,
}

/// The different values under one name.
#[derive(Default)]
struct SentValues<'r> {
    first: Option<&'r [u8]>,
    others: Vec<&'r [u8]>,
    more: bool,
}

impl std::fmt::Debug for SentValues<'_> {
    /// Shows no value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentValues").finish_non_exhaustive()
    }
}

/// The tokens of a request that has no more than it needs, as they were sent.
#[derive(Clone, Copy)]
pub(crate) enum PlainTokens<'r> {
    Bearer(&'r [u8]),
    Cookies { access: &'r [u8], refresh: Option<&'r [u8]> },
}

impl<'r> PlainTokens<'r> {
    /// Returns the tokens if nothing is special about them. Nobody has looked at their bytes.
    pub(crate) fn of(headers: &'r HeaderMap, header: &TokenHeader, names: &CookieNames) -> Option<Self> {
        if headers.contains_key(header.name()) {
            return header.plain(headers).map(Self::Bearer);
        }
        let SentCookies { access, refresh } = SentCookies::of(headers, names);
        let is_plain = access.others.is_empty() && refresh.others.is_empty();
        let access = access.first.filter(|_| is_plain)?;
        Some(Self::Cookies { access, refresh: refresh.first })
    }
}

impl<'r> SentCookies<'r> {
    /// Finds cookies by their exact names (RFC 6265bis, section 5.8.3). Those without a name never match.
    pub(crate) fn of(headers: &'r HeaderMap, names: &CookieNames) -> Self {
        let mut sent = Self::default();
        for line in headers.get_all(header::COOKIE) {
            let mut line = Some(line.as_bytes());
            while let Some(rest) = line {
                let pair = match memchr::memchr(b';', rest) {
                    Some(end) => {
                        line = Some(&rest[end + 1..]);
                        &rest[..end]
                    }
                    None => {
                        line = None;
                        rest
                    }
                };
                let pair = trim(pair);
                if let Some(value) = value_of(pair, &names.access) {
                    sent.access.add(value);
                } else if let Some(value) = value_of(pair, &names.refresh) {
                    sent.refresh.add(value);
                }
            }
        }
        sent
    }

    /// Takes values under former names for those of the cookies, where these are not there: that of the
    /// access cookie only if both are not. Returns whether it did so with each of the two.
    fn take_former(&mut self, former: &[(usize, &'r [u8])], names: &CookieNames) -> (bool, bool) {
        let is_refresh_missing = self.refresh.first.is_none();
        let is_access_missing = self.access.first.is_none() && is_refresh_missing;
        for (at, value) in former {
            match &names.former[*at] {
                FormerName { is_safer: false, .. } => {}
                FormerName { is_access: true, .. } if is_access_missing => self.access.add(value),
                FormerName { is_access: false, .. } if is_refresh_missing => self.refresh.add(value),
                FormerName { .. } => {}
            }
        }
        (is_access_missing && self.access.first.is_some(), is_refresh_missing && self.refresh.first.is_some())
    }
}

impl<'r> SentValues<'r> {
    fn add(&mut self, value: &'r [u8]) {
        match self.first {
            None => self.first = Some(value),
            Some(first) if self.more || first == value || self.others.contains(&value) => {}
            Some(_) if self.others.len() + 1 == MAX_VALUES => self.more = true,
            Some(_) => self.others.push(value),
        }
    }

    fn credential(self) -> Credential<'r> {
        let Self { first, others, more } = self;
        if let (Some(first), false) = (first, others.is_empty()) {
            let all = std::iter::once(first).chain(others);
            let values = all.filter_map(|value| std::str::from_utf8(value).ok()).map(Cow::Borrowed).collect();
            return Credential::Several { values, more };
        }
        match first.map(std::str::from_utf8) {
            None => Credential::Absent,
            Some(Ok(value)) => Credential::One(Cow::Borrowed(value)),
            Some(Err(_)) => Credential::Unreadable,
        }
    }
}

/// Finds cookies under former names: which name it is, and the value. They are looked for apart, because most
/// requests have none and need not look.
fn former_of<'r>(headers: &'r HeaderMap, names: &CookieNames) -> Vec<(usize, &'r [u8])> {
    let mut all = Vec::new();
    if names.former.is_empty() {
        return all;
    }
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    for pair in lines.flat_map(|line| line.split(|byte| *byte == b';')).map(trim) {
        let former = names.former.iter().enumerate();
        let found = former.filter_map(|(at, former)| Some((at, value_of(pair, &former.name)?))).next();
        if let Some(found) = found.filter(|found| !all.contains(found) && all.len() < MAX_FORMER) {
            all.push(found);
        }
    }
    all
}

/// Returns the value of a pair that has this name.
fn value_of<'r>(pair: &'r [u8], name: &str) -> Option<&'r [u8]> {
    pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(unquoted)
}

/// Takes one pair of quotes off. No token has one.
fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

/// Removes space and tab from both ends, and nothing else.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn headers(name: header::HeaderName, lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    pub(crate) fn one(value: &str) -> Credential<'_> {
        Credential::One(Cow::Borrowed(value))
    }

    fn cookie<'r>(headers: &'r HeaderMap, name: &str) -> Credential<'r> {
        let (name, other) = (name.to_owned(), "other".to_owned());
        let names = |access, refresh| CookieNames { access, refresh, former: Vec::new() };
        let (first, second) = (names(name.clone(), other.clone()), names(other, name));
        let (first, second) = (SentCookies::of(headers, &first), SentCookies::of(headers, &second));
        let found = first.access.credential();
        assert_eq!(found, second.refresh.credential());
        found
    }

    fn several<'r>(values: &[&'r str], more: bool) -> Credential<'r> {
        Credential::Several { values: values.iter().map(|value| Cow::Borrowed(*value)).collect(), more }
    }

    /// H-3, H-4, N-4: exact names, raw bytes, neighbours that do no harm.
    #[test]
    fn h_3_h_4_n_4_cookies_are_found_by_their_exact_bytes() {
        let cases: [(&[&[u8]], Credential<'_>); 29] = [
            (&[b"__Host-t=v"], one("v")),
            (&[b"a=b; __Host-t=v; c=d"], one("v")),
            (&[b"a=b;\t__Host-t=v \t;c"], one("v")),
            (&[b"a=b", b"__Host-t=v"], one("v")),
            (&[b"\xff=\xfe; __Host-t=v; x=\xc3\x28"], one("v")),
            (&[b"__Host-t=a=b"], one("a=b")),
            (&[b"__Host-t="], one("")),
            (&[b"__Host-t=v; __Host-t=v"], one("v")),
            (&[b"__Host-t=v; __Host-t=w"], several(&["v", "w"], false)),
            (&[b"__Host-t=v", b"__Host-t="], several(&["v", ""], false)),
            (&[b"__Host-t=v; __Host-t=w; __Host-t=v; __Host-t=w"], several(&["v", "w"], false)),
            (&[b"__Host-t=v; __Host-t=\xff"], several(&["v"], false)),
            (&[b"__Host-t=1; __Host-t=2; __Host-t=3; __Host-t=4"], several(&["1", "2", "3", "4"], false)),
            (
                &[b"__Host-t=1; __Host-t=2; __Host-t=3; __Host-t=4; __Host-t=1"],
                several(&["1", "2", "3", "4"], false),
            ),
            (
                &[b"__Host-t=1; __Host-t=2; __Host-t=3; __Host-t=4; __Host-t=5"],
                several(&["1", "2", "3", "4"], true),
            ),
            (&[b"__Host-t=\xff"], Credential::Unreadable),
            (&[b"__%48ost-t=v"], Credential::Absent),
            (&[b"__host-t=v; __HOST-T=v; t=v; x__Host-t=v; __Host-tt=v"], Credential::Absent),
            (&[b"=__Host-t=v; __Host-t"], Credential::Absent),
            (&[b"\xc2\xa0__Host-t=v; \xe2\x80\x80__Host-t=v"], Credential::Absent),
            (&[b"$Version=1, __Host-t=v"], Credential::Absent),
            (&[b""], Credential::Absent),
            (&[br#"$Version="1"; __Host-t="v";$Path="/""#], one("v")),
            (&[br#"$Version="1"; a="b";$Path="/"; __Host-t="v";$Path="/";$Domain="x""#], one("v")),
            (&[br#"__Host-t="v"; __Host-t=v"#], one("v")),
            (&[br#"__Host-t="v"; __Host-t="w""#], several(&["v", "w"], false)),
            (&[br#"__Host-t="""#], one("")),
            (&[br#"__Host-t=""v"""#], one("\"v\"")),
            (&[br#"__Host-t="v"#, b"a=b"], one("\"v")),
        ];
        for (lines, expected) in cases {
            assert_eq!(cookie(&headers(header::COOKIE, lines), "__Host-t"), expected, "{lines:?}");
        }
    }
}
