//! Text in lines that a terminal shows whole.

/// Puts text behind a name, in lines of at most 80 columns, the later ones indented as far.
pub fn wrapped(page: &mut String, name: &str, text: &str) {
    const WIDTH: usize = 80;
    let indent = name.len();
    page.push_str(name);
    let mut column = indent;
    for word in text.split(' ') {
        if column > indent && column + 1 + word.len() > WIDTH {
            page.push('\n');
            page.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        }
        if column > indent {
            page.push(' ');
            column += 1;
        }
        page.push_str(word);
        column += word.len();
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_lines_stand_as_far_in_as_the_first() {
        let mut page = String::new();
        wrapped(&mut page, "cause  ", &"word ".repeat(30));
        let lines: Vec<_> = page.lines().collect();
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= 80));
        assert!(lines[0].starts_with("cause  word") && lines[1].starts_with("       word"));
    }
}
