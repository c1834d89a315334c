//! What user code may reach: a profile, and what refines it.
//!
//! Values only; `enforcer` turns them into checks.

use std::fmt;
use std::str::FromStr;

/// A starting point for [`Permissions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Profile {
    /// Files of the project and the temporary folder; the network without link-local
    /// and cloud-metadata addresses; the variables that the project was given; no
    /// subprocess.
    #[default]
    Project,
    /// Files of the project to read, none to write; the public network; the variables
    /// that are listed; no subprocess.
    Strict,
    /// What Node.js allows: whatever the user allows who runs the host.
    Off,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Project => "project",
            Self::Strict => "strict",
            Self::Off => "off",
        })
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Project, Self::Strict, Self::Off]
            .into_iter()
            .find(|profile| profile.to_string() == text)
            .ok_or_else(|| format!("there is no permission profile '{text}': it is project, strict or off"))
    }
}

/// What user code may reach, whichever API it uses.
///
/// The lists are written as for Deno's flags of the same names: paths, relative ones
/// from the project folder; `host`, `host:port`, `*.host` or an address range; names.
/// An empty list means everything of its kind.
///
/// Where the profile grants places (read, write, run), an allow list adds to them.
/// Where it grants everything (net, env, sys), an allow list narrows it to that list.
/// What a deny list names is refused in any case.
///
/// ```
/// use edgehost::{Permissions, Profile};
///
/// let permissions = Permissions::new(Profile::Strict)
///     .with_allow_net(["api.example.com", "*.internal:8080"])
///     .with_allow_env(["DATABASE_URL"]);
/// let builder = edgehost::EdgeHost::builder("./my-project").permissions(permissions);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permissions {
    /// Where to start from.
    pub profile: Profile,
    /// Files that may be read.
    pub allow_read: Option<Vec<String>>,
    /// Files that may not be read.
    pub deny_read: Option<Vec<String>>,
    /// Files that may be written.
    pub allow_write: Option<Vec<String>>,
    /// Files that may not be written.
    pub deny_write: Option<Vec<String>>,
    /// Hosts that may be connected to.
    pub allow_net: Option<Vec<String>>,
    /// Hosts that may not be connected to.
    pub deny_net: Option<Vec<String>>,
    /// Variables that may be seen.
    pub allow_env: Option<Vec<String>>,
    /// Variables that may not be seen.
    pub deny_env: Option<Vec<String>>,
    /// Facts about the system that may be asked for.
    pub allow_sys: Option<Vec<String>>,
    /// Facts about the system that may not be asked for.
    pub deny_sys: Option<Vec<String>>,
    /// Programs that may be started.
    pub allow_run: Option<Vec<String>>,
    /// Programs that may not be started.
    pub deny_run: Option<Vec<String>>,
}

impl From<Profile> for Permissions {
    fn from(profile: Profile) -> Self {
        Self::new(profile)
    }
}

/// A setter for each list.
macro_rules! setters {
    ($($setter:ident: $field:ident;)*) => {
        /// Each list can be set by its field, or one after the other. An empty list means everything.
        impl Permissions {
            $(
                #[doc = concat!("Sets [`Permissions::", stringify!($field), "`].")]
                #[must_use]
                pub fn $setter<T: Into<String>>(mut self, list: impl IntoIterator<Item = T>) -> Self {
                    self.$field = Some(list.into_iter().map(Into::into).collect());
                    self
                }
            )*
        }
    };
}

setters! {
    with_allow_read: allow_read;
    with_deny_read: deny_read;
    with_allow_write: allow_write;
    with_deny_write: deny_write;
    with_allow_net: allow_net;
    with_deny_net: deny_net;
    with_allow_env: allow_env;
    with_deny_env: deny_env;
    with_allow_sys: allow_sys;
    with_deny_sys: deny_sys;
    with_allow_run: allow_run;
    with_deny_run: deny_run;
}

impl Permissions {
    /// The permissions of a profile, which lists refine.
    pub fn new(profile: Profile) -> Self {
        Self { profile, ..Self::default() }
    }

    /// Whether user code sees a variable of the project.
    pub(crate) fn shows(&self, variable: &str) -> bool {
        let in_list = |list: &Option<Vec<String>>| {
            list.as_ref().map(|list| list.is_empty() || list.iter().any(|name| matches(name, variable)))
        };
        if in_list(&self.deny_env) == Some(true) {
            return false;
        }
        // What packages decide upon, and the host sets itself; what every `Date` tells.
        let given = matches!(variable, "NODE_ENV" | "TZ");
        given || in_list(&self.allow_env).unwrap_or(self.profile != Profile::Strict)
    }
}

/// `AWS_*` stands for every name that begins so.
fn matches(pattern: &str, variable: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => variable.starts_with(start),
        None => pattern == variable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_follow_the_profile_and_its_lists() {
        let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let mut permissions = Permissions::default();
        assert!(permissions.shows("ANY"));
        permissions.allow_env = list(&["ONE", "AWS_*"]);
        assert!(permissions.shows("ONE") && permissions.shows("AWS_KEY") && !permissions.shows("TWO"));
        permissions.deny_env = list(&["AWS_SECRET"]);
        assert!(!permissions.shows("AWS_SECRET"));
        let mut strict = Permissions::from(Profile::Strict);
        assert!(!strict.shows("ONE") && strict.shows("NODE_ENV") && strict.shows("TZ"));
        strict.deny_env = list(&["TZ"]);
        assert!(!strict.shows("TZ"));
        strict.allow_env = list(&["ONE"]);
        assert!(strict.shows("ONE"));
    }
}
