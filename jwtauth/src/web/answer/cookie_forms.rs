//! The other forms in which a browser may keep one of our cookies, and how they are deleted.
//!
//! A browser keeps one cookie for each name, domain and path, and one more that is partitioned. Only a
//! deletion with the same three deletes it (RFC 6265bis, section 5.7; CHIPS). Which form a value came in is
//! not said, so where several values come under one name, all other forms are deleted that could have sent
//! one of them to this URL:
//!
//! - partitioned, and not. With the prefix `__Host-` there is no other form.
//! - of the path that is set, of `/`, and of each path above that of the request.
//! - of the host alone, and of each domain above it.
//!
//! The default names begin with a prefix that follows from the settings, and the application may choose
//! others, so a browser may keep both cookies under another name too.

use poem::http::HeaderValue;

use super::cookie::{CookieStyle, is_cookie_path, is_domain};
use crate::host::HostPort;

/// How many forms of one name are deleted at most. Each takes some 150 bytes of the answer's head, of which
/// common proxies take 4 KiB.
const MAX_FORMS: usize = 6;

/// How many forms of one former name are deleted at most.
const MAX_FORMER: usize = 4;

/// How many domains, and how many paths, are looked at.
const MAX_EACH: usize = 4;

impl CookieStyle {
    /// Returns `Set-Cookie` values that delete every other form of both cookies, or of one of them. The
    /// likely ones come first: those that differ in one way.
    ///
    /// `host` and `path` are those of the request.
    pub(crate) fn delete_other_forms(
        &self,
        (access, refresh): (bool, bool),
        host: Option<&str>,
        path: &str,
    ) -> Vec<HeaderValue> {
        let mut all = Vec::new();
        for (wanted, name, own_path) in
            [(access, &self.names.access, &self.path), (refresh, &self.names.refresh, &self.refresh_path)]
        {
            if wanted {
                all.extend(self.other_forms(name, own_path, host, path));
            }
        }
        all
    }

    /// Returns `Set-Cookie` values that delete a cookie under a former name, in the likely forms.
    pub(crate) fn delete_former(&self, name: &str, host: Option<&str>, path: &str) -> Vec<HeaderValue> {
        let is_host_only = is_host_only(name);
        let before = Self {
            // A browser takes a name with a prefix only so.
            secure: self.secure || name.starts_with("__"),
            domain: self.domain.clone().filter(|_| !is_host_only),
            ..self.clone()
        };
        let own_path = if is_host_only { "/" } else { &*self.path };
        let mut all = vec![before.header(name, own_path, "", (0, 0))];
        all.extend(before.other_forms(name, own_path, host, path).into_iter().take(MAX_FORMER - 1));
        all
    }

    fn other_forms(&self, name: &str, own_path: &str, host: Option<&str>, path: &str) -> Vec<HeaderValue> {
        let (mut domains, mut paths) = (vec![self.domain.clone()], vec![own_path]);
        if !is_host_only(name) {
            domains.extend([None]);
            domains.extend(host.map(domains_above).unwrap_or_default().into_iter().map(Some));
            paths.extend([&*self.path, &*self.refresh_path, "/"]);
            paths.extend(paths_above(path));
        }
        let mut forms: Vec<(usize, Self, &str)> = Vec::new();
        for partitioned in [self.partitioned, !self.partitioned] {
            for domain in &domains {
                for path in &paths {
                    let style = Self { domain: domain.clone(), partitioned, ..self.clone() };
                    let differences = usize::from(partitioned != self.partitioned)
                        + usize::from(*domain != self.domain)
                        + usize::from(*path != own_path);
                    let is_known = forms.iter().any(|(_, known, known_path)| {
                        (known.partitioned, &known.domain, *known_path) == (partitioned, domain, *path)
                    });
                    if differences > 0 && !is_known && (self.secure || !partitioned) {
                        forms.push((differences, style, path));
                    }
                }
            }
        }
        forms.sort_by_key(|(differences, ..)| *differences);
        forms.truncate(MAX_FORMS);
        forms.into_iter().map(|(_, style, path)| style.header(name, path, "", (0, 0))).collect()
    }
}

/// Tells whether browsers take a cookie of this name only for one host and the path `/`.
fn is_host_only(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("__host-")
}

/// Tells whether a browser sends a cookie of this path to a URL (path-match, RFC 6265bis, section 5.1.4).
pub(crate) fn is_sent_to(path: &str, url_path: &str) -> bool {
    url_path
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || path.ends_with('/'))
}

/// Returns the domains that a cookie for this host may have: itself and those above it, of two labels at
/// least.
fn domains_above(host: &str) -> Vec<String> {
    let Some(host) = HostPort::parse(host) else { return Vec::new() };
    let above =
        std::iter::successors(Some(host.name()), |domain| domain.split_once('.').map(|(_, rest)| rest));
    above.take_while(|domain| is_domain(domain)).take(MAX_EACH).map(str::to_owned).collect()
}

/// Returns the paths that a cookie may have that is sent to this one.
fn paths_above(path: &str) -> Vec<&str> {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    ends.map(|end| &path[..end]).filter(|path| is_cookie_path(path)).take(MAX_EACH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::answer::cookie::{CookieNames, SameSite};

    fn style(prefix: &str) -> CookieStyle {
        CookieStyle {
            names: CookieNames {
                access: format!("{prefix}a"),
                refresh: format!("{prefix}r"),
                former: Vec::new(),
            },
            same_site: SameSite::Lax,
            secure: true,
            domain: None,
            path: "/".into(),
            refresh_path: "/".into(),
            partitioned: false,
            clear_cache: true,
        }
    }

    fn deleted(style: &CookieStyle, host: Option<&str>, path: &str) -> Vec<String> {
        let lines = style.delete_other_forms((true, false), host, path);
        lines.iter().map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    /// N-4: the prefix leaves one other form, and each deletion has the attributes of the present settings.
    #[test]
    fn n_4_h_2_a_host_cookie_has_one_other_form() {
        let plain = style("__Host-");
        let partitioned = CookieStyle { partitioned: true, ..style("__Host-") };
        for host in [None, Some("app.example.com:443")] {
            for (style, other) in [(&plain, &partitioned), (&partitioned, &plain)] {
                let [access, refresh] = other.clear();
                assert_eq!(style.delete_other_forms((true, true), host, "/auth/login"), [access, refresh]);
            }
        }
    }

    /// N-4: other domains and paths, but never the form of the present settings, and never too many.
    #[test]
    fn n_4_forms_of_other_domains_and_paths() {
        let gone = |style: CookieStyle| style.clear()[0].to_str().unwrap().to_owned();
        let wide = CookieStyle { domain: Some("example.com".into()), ..style("__Secure-") };
        let one_way = [
            CookieStyle { domain: None, ..wide.clone() },
            CookieStyle { domain: Some("app.example.com".into()), ..wide.clone() },
            CookieStyle { partitioned: true, ..wide.clone() },
        ];
        assert_eq!(deleted(&wide, Some("App.example.com:8443"), "/")[..3], one_way.map(gone));
        let narrow = CookieStyle { path: "/shop".into(), ..style("__Secure-") };
        let of_paths = ["/", "/shop/auth", "/shop/auth/login"]
            .map(|path| gone(CookieStyle { path: path.into(), ..narrow.clone() }));
        assert_eq!(deleted(&narrow, None, "/shop/auth/login")[..3], of_paths);
        for style in [wide, narrow] {
            for host in ["a.b.c.d.e.f.example.com", "localhost:3000", "127.0.0.1", "[::1]:1", "", ":", "é"] {
                for path in ["/", "", "/a/b/c/d/e/f", "/a;b/c", "//", "/é", "/ /x"] {
                    let forms = deleted(&style, Some(host), path);
                    assert!((1..=MAX_FORMS).contains(&forms.len()), "{host} {path}: {forms:?}");
                    assert!(!forms.contains(&gone(style.clone())), "{host} {path}: {forms:?}");
                }
            }
        }
        let over_http = CookieStyle { secure: false, ..style("") };
        assert!(deleted(&over_http, None, "/").is_empty(), "no browser keeps it partitioned");
    }
}
