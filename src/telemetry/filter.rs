//! What gets into the log: levels, by target.

use std::str::FromStr;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use super::ACCESS;

/// What is logged: a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or a list
/// that has levels for single targets too, such as `info,edgehost::access=off`.
#[derive(Debug, Clone)]
pub struct Filter(Targets);

/// A filter cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither a level (off, error, warn, info, debug, trace) nor TARGET=LEVEL, such as edgehost::access=off"
)]
pub struct FilterError(String);

impl Default for Filter {
    /// `info`, and of the libraries underneath what is of use.
    fn default() -> Self {
        let noisy = ["rolldown", "oxc_resolver", "hyper"].map(|target| (target, LevelFilter::WARN));
        Self(Targets::new().with_default(LevelFilter::INFO).with_targets(noisy))
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let level = |level: &str| {
                let named = !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_alphabetic());
                named.then(|| level.parse::<LevelFilter>().ok()).flatten()
            };
            filter.0 = match part.split_once('=') {
                Some((target, of_target)) => match level(of_target.trim()) {
                    Some(level) if !target.trim().is_empty() => filter.0.with_target(target.trim(), level),
                    _ => return Err(FilterError(part.to_owned())),
                },
                None => match level(part) {
                    Some(level) => filter.0.with_default(level),
                    None => return Err(FilterError(part.to_owned())),
                },
            };
        }
        Ok(filter)
    }
}

impl Filter {
    /// The same without a line for each request.
    #[must_use]
    pub fn without_access(self) -> Self {
        Self(self.0.with_target(ACCESS, LevelFilter::OFF))
    }

    /// The level that no target goes beyond.
    pub(super) fn highest(&self) -> LevelFilter {
        let levels = self.0.iter().map(|(_, level)| level).chain(self.0.default_level());
        levels.max().unwrap_or(LevelFilter::OFF)
    }

    pub(super) fn lets_pass(&self, target: &str, level: Level) -> bool {
        self.0.would_enable(target, &level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_name_levels_and_targets() {
        let filter: Filter = "warn, edgehost::console=debug".parse().expect("a filter");
        assert!(filter.lets_pass("edgehost::console", Level::DEBUG));
        assert!(!filter.lets_pass("edgehost::console", Level::TRACE));
        assert!(!filter.lets_pass("edgehost::access", Level::INFO));
        assert!(filter.lets_pass("edgehost::shard", Level::WARN));
        let filter = Filter::default().without_access();
        assert!(!filter.lets_pass("edgehost::access", Level::ERROR));
        assert!(
            filter.lets_pass("edgehost::console", Level::INFO) && !filter.lets_pass("hyper", Level::INFO)
        );
        assert_eq!(filter.highest(), LevelFilter::INFO);
        let filter: Filter = "off,edgehost::console=trace".parse().expect("a filter");
        assert_eq!(filter.highest(), LevelFilter::TRACE);
        let filter: Filter = "debug,hyper=info".parse().expect("a filter");
        assert!(filter.lets_pass("hyper", Level::INFO) && !filter.lets_pass("rolldown", Level::INFO));
    }

    #[test]
    fn filters_with_mistakes_are_refused() {
        for wrong in ["inof", "info,edgehost::access", "edgehost=loud", "=info", "edgehost=", "info,7"] {
            let error = wrong.parse::<Filter>().expect_err(wrong).to_string();
            assert!(error.contains("TARGET=LEVEL"), "{error}");
        }
    }
}
