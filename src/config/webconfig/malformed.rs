//! Why a text is not XML: what people leave out, told by name with what to write.

mod tag;

use std::ops::Range;

use super::xml::Unreadable;

/// So long a piece of the file is marked at most.
const LONGEST_MARK: usize = 60;

/// What is wrong where the parser stopped.
pub(super) fn explain(error: &roxmltree::Error, text: &str) -> Unreadable {
    use roxmltree::Error as E;
    let at = match error {
        E::UnexpectedEndOfStream | E::NoRootNode => text.trim_end().len(),
        _ => offset(text, error.pos()),
    };
    match error {
        E::NoRootNode => unreadable(
            0..1,
            "there is no element in this file, only comments",
            "give the app's web.config: its first element is <configuration>",
        ),
        E::DtdDetected => {
            let at = text.find("<!DOCTYPE").unwrap_or(at);
            unreadable(
                at..at + 9,
                "a DTD is not read: it could make a small file endless",
                "remove the <!DOCTYPE ...> part; web.config has none",
            )
        }
        E::UnexpectedCloseTag(open, close, _) => unreadable(
            mark(text, at),
            format!("</{close}> closes <{open}>"),
            format!("write </{open}> first, or close <{open} .../> where it begins"),
        ),
        E::UnclosedRootNode => unclosed(text),
        E::DuplicatedAttribute(name, _) => unreadable(
            mark(text, at),
            format!("the attribute {name} stands twice in one element"),
            "keep one of them",
        ),
        E::MalformedEntityReference(_) => unreadable(
            mark(text, at),
            "a bare & is not allowed in XML",
            "write &amp; for &, &lt; for < and &quot; for a quote",
        ),
        E::UnknownEntityReference(name, _) => unreadable(
            mark(text, at),
            format!("&{name}; means nothing in XML"),
            "only &amp; &lt; &gt; &quot; and &apos; are known: write &amp; for a plain &",
        ),
        E::UnknownNamespace(prefix, _) => unreadable(
            mark(text, at),
            format!("the prefix {prefix}: is not declared"),
            format!("remove {prefix}:, or declare it with xmlns:{prefix}=\"...\""),
        ),
        E::NonXmlChar(c, _) => unreadable(
            mark(text, at),
            format!(
                "the character U+{:04X} is not allowed in XML",
                u32::from(*c)
            ),
            "remove it",
        ),
        E::InvalidComment(_) => comment(text, at),
        _ => endless_comment(text)
            .or_else(|| outside(text, at))
            .or_else(|| tag::fault(text, at))
            .unwrap_or_else(|| generic(text, at)),
    }
}

fn unreadable(range: Range<usize>, what: impl Into<String>, cure: impl Into<String>) -> Unreadable {
    Unreadable {
        range,
        what: what.into(),
        cure: cure.into(),
    }
}

fn generic(text: &str, at: usize) -> Unreadable {
    unreadable(
        mark(text, at),
        "this is not well-formed XML",
        "write <name attribute=\"value\" />: a space before each attribute, = and quotes around \
         each value",
    )
}

/// From `at` to the end of the word.
fn mark(text: &str, at: usize) -> Range<usize> {
    let length = text[at..]
        .char_indices()
        .find(|(i, c)| c.is_whitespace() || *c == '>' || *i >= LONGEST_MARK)
        .map_or(text.len() - at, |(i, _)| i);
    at..at + length
}

fn comment(text: &str, at: usize) -> Unreadable {
    let open = text[..floor(text, at + 4)].rfind("<!--").unwrap_or(at);
    let body = open + 4;
    let inner = text.get(body..).and_then(|rest| rest.find("--"));
    match inner.map(|i| body + i) {
        Some(dashes) => unreadable(
            dashes..dashes + 2,
            "-- is not allowed inside a comment",
            "take the -- out; a comment is written <!-- ... -->",
        ),
        None => unreadable(
            open..open + 4,
            "this comment is never closed",
            "write --> at its end",
        ),
    }
}

fn endless_comment(text: &str) -> Option<Unreadable> {
    let open = text.rfind("<!--")?;
    (!text[open..].contains("-->")).then(|| comment(text, open))
}

/// What stands before, after or beside the first element.
fn outside(text: &str, at: usize) -> Option<Unreadable> {
    let rest = &text[at..];
    let before = text[..at].trim_end();
    if let Some(declaration) = text
        .find("<?xml ")
        .filter(|found| *found > 0 && at >= *found)
    {
        let marked = declaration..declaration + 5;
        let (what, cure) = match text[..declaration].trim().is_empty() {
            true => (
                "something stands before <?xml",
                "remove the blanks before it",
            ),
            false => (
                "a second <?xml: two files stand in one",
                "give the file that belongs to the app",
            ),
        };
        return Some(unreadable(marked, what, cure));
    }
    let begins = before.is_empty() || before.ends_with("?>");
    if begins && !rest.starts_with('<') {
        let line = rest.lines().next().unwrap_or_default().trim_end();
        let marked = at..at + cut(line, LONGEST_MARK).len();
        return Some(match line.starts_with("//") || line.starts_with('#') {
            true => not_a_comment(marked, line),
            false => unreadable(
                marked,
                "this is not XML: a web.config begins with <configuration>",
                "give the app's web.config, or name the file .toml if it is one",
            ),
        });
    }
    if before.ends_with("</configuration>") {
        let line = rest.lines().next().unwrap_or_default().trim_end();
        let marked = at..at + cut(line, LONGEST_MARK).len();
        return Some(match rest.starts_with('<') {
            true => unreadable(
                marked,
                "something stands after </configuration>",
                "put all of it into one <configuration> ... </configuration>",
            ),
            false => unreadable(
                marked,
                "text stands after </configuration>",
                "remove it; a comment is written <!-- ... -->",
            ),
        });
    }
    None
}

/// Someone wrote a comment as another language has it.
pub(super) fn not_a_comment(range: Range<usize>, line: &str) -> Unreadable {
    let sign = if line.starts_with('#') { "#" } else { "//" };
    let text = line.trim_start_matches(['/', '#']).trim();
    let text = cut(text, LONGEST_MARK).replace("--", "- -");
    unreadable(
        range,
        format!("{sign} begins no comment in XML"),
        format!("write <!-- {text} -->"),
    )
}

/// Which elements the end of the file leaves open.
fn unclosed(text: &str) -> Unreadable {
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('<') {
        let start = at + found;
        let rest = &text[start..];
        let end = |sign: &str| {
            rest.find(sign)
                .map_or(text.len(), |i| start + i + sign.len())
        };
        if rest.starts_with("<!--") {
            at = end("-->");
        } else if rest.starts_with("<![CDATA[") {
            at = end("]]>");
        } else {
            at = end(">");
            let tag = text[start + 1..at].trim_end_matches('>');
            let name = tag.split(|c: char| c.is_whitespace() || c == '/').next();
            if tag.starts_with('/') {
                open.pop();
            } else if !tag.ends_with('/') && !tag.starts_with(['?', '!']) {
                open.push((start, name.unwrap_or_default()));
            }
        }
    }
    let Some((start, name)) = open.last() else {
        return generic(text, text.trim_end().len());
    };
    let closing: String = open.iter().rev().map(|(_, n)| format!("</{n}>")).collect();
    unreadable(
        mark(text, *start),
        format!("the file ends while <{name}> is open"),
        format!(
            "write {} at the end, or give the whole file",
            cut(&closing, 200)
        ),
    )
}

fn floor(text: &str, most: usize) -> usize {
    let most = most.min(text.len());
    (0..=most)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

fn cut(text: &str, most: usize) -> &str {
    &text[..floor(text, most)]
}

fn offset(text: &str, position: roxmltree::TextPos) -> usize {
    let row = usize::try_from(position.row).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(position.col).unwrap_or(1).saturating_sub(1);
    let line_start = match row {
        0 => 0,
        _ => text
            .match_indices('\n')
            .nth(row - 1)
            .map_or(text.len(), |(at, _)| at + 1),
    };
    text[line_start..]
        .char_indices()
        .nth(column)
        .map_or(text.len(), |(at, _)| line_start + at)
}
