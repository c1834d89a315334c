//! How many copies of an app run beside each other.
//!
//! A value only; `host` makes threads of it.

use std::fmt;
use std::str::FromStr;

/// How many copies of an app run, each on a thread of its own, with modules and module
/// state of its own.
///
/// One by default: code that keeps a list or a counter in a module, as it does under
/// Node.js, finds there what the request before it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "Written")]
#[non_exhaustive]
pub enum Instances {
    /// So many.
    Count(usize),
    /// As many as there may be threads.
    Auto,
}

impl Instances {
    /// How many threads they need, if there may be `most`.
    pub(crate) fn threads(self, most: Option<usize>) -> usize {
        match self {
            Self::Count(count) => count.min(most.unwrap_or(count)),
            Self::Auto => most.unwrap_or_else(cores),
        }
    }
}

/// Cores that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Default for Instances {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl From<usize> for Instances {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

impl fmt::Display for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl FromStr for Instances {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => match text.parse() {
                Ok(count @ 1..) => Ok(Self::Count(count)),
                _ => Err(format!("'{text}' is no number of instances: it is auto, or 1 or more")),
            },
        }
    }
}

/// As it stands in a file: a word or a number.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Written {
    Number(usize),
    Word(String),
}

impl TryFrom<Written> for Instances {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Number(count) => count.to_string().parse(),
            Written::Word(word) => word.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_as_many_as_instances_need_and_no_more_than_there_may_be() {
        assert_eq!(Instances::default().threads(None), 1);
        assert_eq!(Instances::default().threads(Some(4)), 1);
        assert_eq!(Instances::Count(4).threads(None), 4);
        assert_eq!(Instances::Count(4).threads(Some(2)), 2);
        assert_eq!(Instances::Auto.threads(Some(3)), 3);
        assert_eq!(Instances::Auto.threads(None), cores());
    }

    #[test]
    fn none_is_no_number_of_instances() {
        assert_eq!("auto".parse(), Ok(Instances::Auto));
        assert_eq!("2".parse(), Ok(Instances::Count(2)));
        for text in ["0", "-1", "many", ""] {
            assert!(text.parse::<Instances>().is_err(), "{text}");
        }
    }
}
