//! Mistakes in the user's files, as people read them.

use std::fmt;

/// One mistake: where it is, the line itself, and who imported the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// The file, relative to the project.
    pub file: String,
    /// Line, counted from 1; 0 when it concerns the whole file.
    pub line: usize,
    /// Column, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The line of code.
    pub code: String,
    /// The files that lead to this one, nearest first; the last is a route file.
    pub imported_by: Vec<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if self.file.is_empty() {
            return Ok(());
        }
        write!(f, "\n  at {}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
            if !self.code.trim().is_empty() {
                let number = self.line.to_string();
                let gutter = " ".repeat(number.len());
                let indent = self.code.len() - self.code.trim_start().len();
                let code = self.code.trim();
                let caret = " ".repeat(self.column.saturating_sub(1).saturating_sub(indent).min(code.len()));
                write!(f, "\n    {number} | {code}\n    {gutter} | {caret}^")?;
            }
        }
        for (depth, importer) in self.imported_by.iter().enumerate() {
            let word = if depth == 0 { "imported by" } else { "which is imported by" };
            write!(f, "\n  {word} {importer}")?;
        }
        Ok(())
    }
}

/// Sorts by place and drops repetitions: both bundles may report the same mistake.
pub(super) fn tidy(problems: &mut Vec<Problem>) {
    problems.sort();
    problems.dedup_by(|a, b| a.file == b.file && a.line == b.line && a.message == b.message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_place_code_and_importers() {
        let problem = Problem {
            file: "lib/db.ts".into(),
            line: 12,
            column: 15,
            message: "Cannot find './pool'".into(),
            code: "  import x from './pool'".into(),
            imported_by: vec!["lib/api.ts".into(), "app/users/route.ts".into()],
        };
        let expected = "Cannot find './pool'\n  at lib/db.ts:12:15\n    12 | import x from './pool'\n       |             ^\n  imported by lib/api.ts\n  which is imported by app/users/route.ts";
        assert_eq!(problem.to_string(), expected);
    }
}
