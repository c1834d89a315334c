//! Which app a host name means.

use std::collections::HashMap;
use std::sync::Arc;

/// A name that an app is asked for by: `example.com`, or `*.example.com` for every name
/// below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HostName {
    /// In the form of the URL standard, without the asterisk.
    name: String,
    is_wildcard: bool,
}

impl HostName {
    /// Reads a name as people write it.
    ///
    /// # Errors
    ///
    /// A sentence that says why it cannot be one.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| {
            Err(format!("'{text}' is no host name: {why}, such as shop.example.com or *.example.com"))
        };
        let (name, is_wildcard) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains('*') {
            return refuse("an asterisk stands for the first part alone");
        }
        if name.contains('/') || (name.contains(':') && !name.starts_with('[')) {
            return refuse("it has neither a scheme nor a port nor a path");
        }
        let Ok(host) = url::Host::parse(name) else { return refuse("it cannot be parsed") };
        if is_wildcard && !matches!(host, url::Host::Domain(_)) {
            return refuse("an address has no names below it");
        }
        let name = host.to_string();
        let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
        Ok(Self { name, is_wildcard })
    }
}

impl std::fmt::Display for HostName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_wildcard {
            f.write_str("*.")?;
        }
        f.write_str(&self.name)
    }
}

/// What an app is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// Its hosts.
    pub(crate) hosts: Arc<[HostName]>,
    /// Whether it gets what no other app is asked for by.
    pub(crate) is_default: bool,
}

/// Finds apps, by their index, by host names.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: HashMap<String, usize>,
    below: HashMap<String, usize>,
    /// The app that gets what no other is named by.
    default: Option<usize>,
}

impl Hosts {
    /// The table for apps with these names.
    ///
    /// # Errors
    ///
    /// Two apps that want the same, and what that is.
    pub(super) fn new<'a>(apps: impl IntoIterator<Item = &'a Names>) -> Result<Self, (usize, usize, String)> {
        let mut hosts = Self::default();
        for (index, names) in apps.into_iter().enumerate() {
            if names.is_default
                && let Some(other) = hosts.default.replace(index)
            {
                return Err((other, index, "requests that name no other app".to_owned()));
            }
            for name in names.hosts.iter() {
                let table = if name.is_wildcard { &mut hosts.below } else { &mut hosts.exact };
                if let Some(other) = table.insert(name.name.clone(), index).filter(|other| *other != index) {
                    return Err((other, index, name.to_string()));
                }
            }
        }
        Ok(hosts)
    }

    /// Whether names make a difference at all.
    pub(super) fn is_by_name(&self) -> bool {
        !(self.exact.is_empty() && self.below.is_empty())
    }

    /// The app for a host without its port, in the form of the URL standard.
    pub(super) fn find(&self, host: Option<&str>) -> Option<usize> {
        let by_name = host.and_then(|host| {
            let host = host.strip_suffix('.').unwrap_or(host);
            if let Some(index) = self.exact.get(host) {
                return Some(*index);
            }
            // The nearest name above it counts.
            let mut rest = host;
            while let Some((_, above)) = rest.split_once('.') {
                if let Some(index) = self.below.get(above) {
                    return Some(*index);
                }
                rest = above;
            }
            None
        });
        by_name.or(self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Names {
        let hosts: Arc<[_]> = texts.iter().map(|text| HostName::parse(text).expect("a name")).collect();
        Names { is_default: hosts.is_empty(), hosts }
    }

    #[test]
    fn exact_names_come_before_the_nearest_wildcard_and_the_default() {
        let apps = [
            names(&["shop.example.com", "shop.example.org"]),
            names(&["*.example.com"]),
            names(&["*.eu.example.com"]),
            names(&[]),
        ];
        let hosts = Hosts::new(&apps).expect("no conflict");
        for (host, index) in [
            ("shop.example.com", 0),
            ("shop.example.org.", 0),
            ("blog.example.com", 1),
            ("a.b.example.com", 1),
            ("a.eu.example.com", 2),
            ("eu.example.com", 1),
            ("example.com", 3),
            ("127.0.0.1", 3),
        ] {
            assert_eq!(hosts.find(Some(host)), Some(index), "{host}");
        }
        assert_eq!(hosts.find(None), Some(3));
        let hosts = Hosts::new(&apps[..3]).expect("no conflict");
        assert_eq!((hosts.find(Some("example.com")), hosts.find(None)), (None, None));
    }

    #[test]
    fn apps_that_want_the_same_are_told() {
        let conflict = |one: &[&str], other: &[&str]| {
            let apps = [names(one), names(other)];
            Hosts::new(&apps).err().map(|(one, other, what)| {
                assert_eq!((one, other), (0, 1));
                what
            })
        };
        assert_eq!(conflict(&["a.example"], &["b.example", "A.example"]).as_deref(), Some("a.example"));
        assert_eq!(conflict(&["*.a.example"], &["*.a.example"]).as_deref(), Some("*.a.example"));
        assert_eq!(conflict(&["*.a.example"], &["a.example"]), None);
        assert!(conflict(&[], &[]).is_some());
    }

    #[test]
    fn names_are_written_as_the_url_standard_writes_them() {
        for (text, shown) in [
            ("Shop.Example.COM", "shop.example.com"),
            ("*.B\u{fc}cher.example", "*.xn--bcher-kva.example"),
            ("localhost", "localhost"),
            ("[::1]", "[::1]"),
            ("a.example.", "a.example"),
        ] {
            assert_eq!(HostName::parse(text).expect(text).to_string(), shown);
        }
        for wrong in ["", "*", "a.*.example", "https://a.example", "a.example:80", "a b", "*.127.0.0.1"] {
            assert!(HostName::parse(wrong).is_err(), "{wrong}");
        }
    }
}
