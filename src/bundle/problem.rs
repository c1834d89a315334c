//! Mistakes in the user's files, as people read them.

use std::fmt;

/// One mistake: where it is, the line itself, and who imported the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// The file, relative to the project.
    pub file: String,
    /// Line, counted from 1; 0 when it concerns the whole file.
    pub line: usize,
    /// Column, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What was meant, perhaps: a module or a name that is there.
    pub meant: Option<String>,
    /// The line of code.
    pub code: String,
    /// The files that lead to this one, nearest first; the last is a route file.
    pub imported_by: Vec<String>,
    /// The routes that cannot be served because of it; none if it stops nobody.
    pub breaks: Vec<String>,
}

/// Most routes that are named.
const NAMED: usize = 3;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(meant) = &self.meant {
            write!(f, "\n  did you mean '{meant}'?")?;
        }
        if !self.file.is_empty() {
            self.write_place(f)?;
        }
        match self.breaks.len() {
            0 => Ok(()),
            1..=NAMED => write!(f, "\n  breaks {}", self.breaks.join(", ")),
            more => {
                let named = self.breaks[..NAMED].join(", ");
                write!(f, "\n  breaks {more} routes: {named} and others")
            }
        }
    }
}

impl Problem {
    fn write_place(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n  at {}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
            write!(f, "{}", CodeFrame { line: self.line, column: self.column, code: &self.code })?;
        }
        for (depth, importer) in self.imported_by.iter().enumerate() {
            let word = if depth == 0 { "imported by" } else { "which is imported by" };
            write!(f, "\n  {word} {importer}")?;
        }
        Ok(())
    }
}

/// A line of code with a mark under a column; nothing where the line is empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeFrame<'a> {
    /// Line and column, counted from 1.
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The line.
    pub(crate) code: &'a str,
}

/// Characters of a line that are shown: so many before the mark at most, and in all.
const BEFORE: usize = 60;
const WIDTH: usize = 120;

impl fmt::Display for CodeFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.trim_end();
        let indent = code.chars().take_while(|c| c.is_whitespace()).count();
        let width = code.chars().count();
        if indent == width {
            return Ok(());
        }
        // Lines of minified code are long.
        let mark = self.column.saturating_sub(1).clamp(indent, width);
        let start = if width - indent > WIDTH { mark.saturating_sub(BEFORE).max(indent) } else { indent };
        // A tab is as wide as the terminal has it: the line under it gets the same.
        let shown: String = code.chars().skip(start).take(WIDTH).collect();
        let under: String =
            shown.chars().take(mark - start).map(|c| if c == '\t' { c } else { ' ' }).collect();
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        write!(f, "\n    {number} | {shown}\n    {gutter} | {under}^")
    }
}

/// Sorts by place and joins repetitions: both bundles may report the same mistake.
pub(super) fn tidy(problems: &mut Vec<Problem>) {
    problems.sort();
    problems.dedup_by(|next, first| {
        let is_same = next.file == first.file && next.line == first.line && next.message == first.message;
        if is_same {
            first.breaks.append(&mut next.breaks);
        }
        is_same
    });
    for problem in problems {
        problem.breaks.sort();
        problem.breaks.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_frame_is_no_wider_than_people_can_read() {
        let frame = |code: &str, column| CodeFrame { line: 1, column, code }.to_string();
        assert_eq!(frame("  \tä(b)", 6), "\n    1 | ä(b)\n      |   ^");
        assert_eq!(frame("a\tb", 3), "\n    1 | a\tb\n      |  \t^");
        assert_eq!(frame("ab", 99), "\n    1 | ab\n      |   ^");
        assert_eq!(frame("   ", 1), "");
        let long = format!("{}HERE{}", "x".repeat(5000), "y".repeat(5000));
        let shown = frame(&long, 5001);
        let mut lines = shown.lines().skip(1);
        let (code, mark) = (lines.next().expect("code"), lines.next().expect("a mark"));
        assert!(code.len() < 200, "{code}");
        assert_eq!(code.find("HERE"), mark.find('^'));
    }

    #[test]
    fn a_problem_shows_place_code_and_importers() {
        let problem = Problem {
            file: "lib/db.ts".into(),
            line: 12,
            column: 15,
            message: "Cannot find './pool'".into(),
            code: "  import x from './pool'".into(),
            imported_by: vec!["lib/api.ts".into(), "app/users/route.ts".into()],
            meant: None,
            breaks: vec!["/users".into()],
        };
        let expected = "Cannot find './pool'\n  at lib/db.ts:12:15\n    12 | import x from './pool'\n       |             ^\n  imported by lib/api.ts\n  which is imported by app/users/route.ts\n  breaks /users";
        assert_eq!(problem.to_string(), expected);
        let mut problems =
            vec![problem.clone(), Problem { breaks: vec!["/a".into(), "/b".into(), "/c".into()], ..problem }];
        tidy(&mut problems);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().ends_with("breaks 4 routes: /a, /b, /c and others"));
    }
}
