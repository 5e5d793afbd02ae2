//! Just enough of Rust's grammar to see which paths a file names.

/// One name that a `use` line brings in.
pub struct Use {
    /// The name in this file; `*` for all of a module.
    pub name: String,
    pub path: Vec<String>,
    pub public: bool,
}

/// Words, `::` and single signs; comments, texts and what is compiled for tests alone are left out.
pub fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        let next = chars.get(i + 1).copied().unwrap_or(' ');
        if c.is_alphanumeric() || c == '_' {
            let end = (i..chars.len()).find(|&j| !is_word(chars[j])).unwrap_or(chars.len());
            let word: String = chars[i..end].iter().collect();
            let raw = matches!(word.as_str(), "r" | "br") && chars.get(end).is_some_and(|c| matches!(c, '"' | '#'));
            i = if raw { after_raw(&chars, end) } else { end };
            if !raw {
                found.push(word);
            }
        } else if c == '/' && next == '/' {
            i = (i..chars.len()).find(|&j| chars[j] == '\n').unwrap_or(chars.len());
        } else if c == '"' || c == '\'' && (next == '\\' || chars.get(i + 2) == Some(&'\'')) {
            // A lone quote is a lifetime's.
            i = after_quoted(&chars, i);
        } else if c == ':' && next == ':' {
            found.push("::".to_owned());
            i += 2;
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            i += 1;
        }
    }
    without_tests(&found)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The place after a text in quotes that starts here.
fn after_quoted(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != chars[start] {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// The place after a raw text whose hashes start here.
fn after_raw(chars: &[char], start: usize) -> usize {
    let hashes = chars[start..].iter().take_while(|c| **c == '#').count();
    let closes =
        |i: &usize| chars[*i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    (start + hashes + 1..chars.len()).find(closes).map_or(chars.len(), |i| i + 1 + hashes)
}

/// Leaves out every item below `#[cfg(test)]`.
fn without_tests(all: &[String]) -> Vec<String> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut i = 0;
    while i < all.len() {
        if !all[i..].iter().map(String::as_str).take(mark.len()).eq(mark) {
            kept.push(all[i].clone());
            i += 1;
            continue;
        }
        let mut depth = 0;
        for token in &all[i + mark.len()..] {
            depth += i32::from(token == "{") - i32::from(token == "}");
            i += 1;
            if depth == 0 && (token == ";" || token == "}") {
                break;
            }
        }
        i += mark.len();
    }
    kept
}

/// The `use` lines, and what is left without them.
pub fn uses(all: &[String]) -> (Vec<Use>, Vec<String>) {
    let mut found = Vec::new();
    let mut rest = Vec::new();
    let mut i = 0;
    while i < all.len() {
        if all[i] == "use" {
            let end = (i..all.len()).find(|&j| all[j] == ";").unwrap_or(all.len());
            let public = i > 0 && matches!(all[i - 1].as_str(), "pub" | ")");
            tree(&all[i + 1..end], &[], public, &mut found);
            i = end + 1;
        } else {
            rest.push(all[i].clone());
            i += 1;
        }
    }
    (found, rest)
}

/// The names of one tree of a `use` line.
fn tree(tokens: &[String], before: &[String], public: bool, found: &mut Vec<Use>) {
    let mut path = before.to_vec();
    for (i, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "::" => {}
            "{" => {
                let inner = &tokens[i + 1..tokens.len() - 1];
                for part in branches(inner) {
                    tree(part, &path, public, found);
                }
                return;
            }
            "as" => {
                found.push(Use { name: tokens[i + 1].clone(), path, public });
                return;
            }
            "self" if !path.is_empty() => {}
            _ => path.push(token.clone()),
        }
    }
    if let Some(name) = path.last().cloned() {
        found.push(Use { name, path, public });
    }
}

/// The parts between the commas that lie in no braces of their own.
fn branches(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0;
    let outer = |token: &String| {
        depth += i32::from(token == "{") - i32::from(token == "}");
        depth == 0 && token == ","
    };
    tokens.split(outer).filter(|part| !part.is_empty()).collect()
}

/// Every path of the code, a single name being one as well; fields and methods are none.
pub fn paths(all: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < all.len() {
        let starts = all[i].starts_with(is_word) && (i == 0 || !matches!(all[i - 1].as_str(), "::" | "." | "mod"));
        let mut path = Vec::new();
        if starts {
            path.push(all[i].clone());
            while all.get(i + 1).is_some_and(|t| t == "::") && all.get(i + 2).is_some_and(|t| t.starts_with(is_word)) {
                path.push(all[i + 2].clone());
                i += 2;
            }
            found.push(path);
        }
        i += 1;
    }
    found
}
