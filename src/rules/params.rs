//! What a request gave to the names of a rule.

/// A value of a parameter, as it stands in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    One(String),
    /// Of a parameter that repeats.
    Many(Vec<String>),
}

impl Value {
    /// All of it as one text.
    pub(super) fn joined(&self, between: &str) -> String {
        match self {
            Self::One(text) => text.clone(),
            Self::Many(parts) => parts.join(between),
        }
    }
}

/// Parameters by name, in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, Value)>);

impl Params {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Sets one, in the place of an earlier one of that name.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    pub(super) fn extend(&mut self, others: Self) {
        for (name, value) in others.0 {
            self.set(&name, value);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}
