//! Names from drivers, models and files are made harmless before they reach a terminal or a file.

/// Removes control characters (escape sequences of a terminal among them) and line breaks.
pub fn text(raw: &str) -> String {
    raw.chars()
        .map(|c| {
            if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            {
                ' '
            } else {
                c
            }
        })
        .collect()
}

/// A cell of Markdown: what would end the cell or start markup is escaped.
pub fn markdown(raw: &str) -> String {
    let mut out = String::new();
    for c in text(raw).chars() {
        if matches!(c, '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '!') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A cell of CSV: a leading character that a spreadsheet takes for a formula gets an apostrophe.
pub fn spreadsheet(raw: &str) -> String {
    let clean = text(raw);
    let formula = clean.starts_with(['=', '+', '-', '@', '\t']) && clean.parse::<f64>().is_err();
    if formula { format!("'{clean}") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_harmless() {
        assert_eq!(text("a\u{1b}[31mb\nc"), "a [31mb c");
        assert_eq!(markdown("a|b<script>"), "a\\|b\\<script\\>");
        assert_eq!(spreadsheet("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(spreadsheet("-3.5"), "-3.5");
    }
}
