//! A report as `JUnit` writes them, which CI servers show as tests: one a key, which fails where the scan
//! does for it, and one for each thing that could not be read. Tokens are never in it.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::scan::{Finding, Report, printable};

/// Writes the report; `fails` says which keys are a reason to fail.
pub(super) fn write(
    report: &Report,
    fails: impl Fn(&Finding) -> bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_failing = |f: &&Finding| f.suppressed.is_none() && !f.is_informational() && fails(f);
    let failures = report.findings.iter().filter(is_failing).count();
    let skipped = report.findings.iter().filter(|f| f.suppressed.is_some()).count();
    let errors = report.faults.len();
    let tests = (report.findings.len() + errors).max(1);
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites><testsuite name=\"kgate leak-scan\" tests=\"{tests}\" failures=\"{failures}\" \
         errors=\"{errors}\" skipped=\"{skipped}\">"
    )?;
    for finding in &report.findings {
        let name = format!("{} is {}", finding.hint, finding.standing.as_str());
        write!(out, "<testcase classname=\"kgate.{}\" name=\"{}\">", text(&finding.key_type), text(&name))?;
        if let Some(suppression) = finding.suppressed {
            write!(out, "<skipped message=\"accepted: {}\"/>", suppression.as_str())?;
        } else if is_failing(&finding) {
            let message = format!("{name}, in {} places", finding.place_count);
            write!(out, "<failure type=\"leak\" message=\"{}\">", text(&message))?;
            writeln!(out, "sha256:{}", finding.digest)?;
            for place in &finding.places {
                let commit = place.commit.as_ref().map(|commit| format!(" in {commit}")).unwrap_or_default();
                writeln!(out, "{}", text(&format!("{place}{commit}")))?;
            }
            write!(out, "</failure>")?;
        }
        writeln!(out, "</testcase>")?;
    }
    for fault in &report.faults {
        let name = text(&printable(&fault.path));
        let problem = text(&fault.problem);
        writeln!(
            out,
            "<testcase classname=\"kgate\" name=\"{name}\"><error type=\"unread\" message=\"{problem}\"/></testcase>"
        )?;
    }
    if report.findings.is_empty() && errors == 0 {
        writeln!(out, "<testcase classname=\"kgate\" name=\"no key\"/>")?;
    }
    writeln!(out, "</testsuite></testsuites>")
}

/// Writes text so that XML takes it for nothing else.
fn text(plain: &str) -> String {
    plain.chars().fold(String::with_capacity(plain.len()), |mut text, c| {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\t' | '\n' => text.push(' '),
            // Not even as a number may these stand in XML 1.0.
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(text, "\\u{{{:x}}}", u32::from(c));
            }
            c => text.push(c),
        }
        text
    })
}
