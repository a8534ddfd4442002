//! Boundaries of small texts.

use super::*;
use crate::Strategy;
use crate::scanner::Scanner;

/// The boundaries of a text: each pre-token after its level; `!` marks a fence.
fn levels(layout: Layout, text: &str) -> String {
    let plan = Plan::of(Strategy::Recursive, layout);
    let (mut scanner, mut boundaries) = (Scanner::new(1024, &[]), Boundaries::new(&plan));
    scanner.push(text);
    let mut levels = Vec::new();
    while let Some(pre_token) = scanner.next(true) {
        let content = scanner.slice(pre_token.start, pre_token.end);
        let boundary = boundaries.next(&pre_token, content, scanner.peek(pre_token.start));
        if boundary.level != INSIDE_WORD || boundary.is_in_fence {
            let mark = if boundary.is_in_fence { "!" } else { "" };
            levels.push(format!("{}{mark}{content}", boundary.level));
        } else if let Some(last) = levels.last_mut() {
            last.push_str(content);
        }
    }
    levels.join(" ")
}

#[test]
fn prose_splits_at_paragraphs_sentences_and_words() {
    let text = "One two. Three (four!) \"Five?\" six\nseven. eight Dr. No e.g. This 3.5\n- item\n\nend";
    insta::assert_snapshot!(
        levels(Layout::Prose, text),
        @r#"6One 1two. 4Three 1(four!) 4"Five?" 1six 2seven. 1eight 1Dr. 1No 1e.g. 1This 13.5 5- 1item 6end"#
    );
}

#[test]
fn ideographs_are_words_and_punctuation_stays_with_them() {
    insta::assert_snapshot!(
        levels(Layout::Prose, "「你好，世界。」他说Rust很好！"),
        @"6「你 1好， 1世 1界。」 4他 1说 1Rust 1很 1好！"
    );
}

#[test]
fn markdown_splits_before_headings_and_not_after_them() {
    let text = "# Title\n\nIntro text.\n\n## Part\ntext\n\nOld\n===\n\nmore";
    insta::assert_snapshot!(
        levels(Layout::Markdown, text),
        @"12# 1Title 1Intro 1text. 11## 1Part 1text 6Old 1=== 1more"
    );
}

#[test]
fn markdown_fences_extend_from_their_second_mark_to_their_end() {
    let text = "Run:\n```sh\na b\n\n``` x\n```\nafter ```code``` span\n```no `fence\nend";
    insta::assert_snapshot!(
        levels(Layout::Markdown, text),
        @"6Run: 4` 0!` 0!` 0!sh 5!a 1!b 7!` 0!` 0!` 1!x 1!` 0!` 0!` 4after 1```code``` 1span 4` 0!` 0!` 0!no 1`fence 2end"
    );
}

/// The lines that are headings.
fn headings(text: &str) -> Vec<String> {
    let plan = Plan::of(Strategy::Markdown { split_level: 6 }, Layout::Markdown);
    let (mut scanner, mut boundaries) = (Scanner::new(1024, &[]), Boundaries::new(&plan));
    scanner.push(text);
    let (mut headings, mut line, mut line_before) = (Vec::new(), 0, 0);
    let line_at = |start: usize| text[start..].lines().next().unwrap().to_owned();
    while let Some(pre_token) = scanner.next(true) {
        let content = scanner.slice(pre_token.start, pre_token.end);
        let boundary = boundaries.next(&pre_token, content, scanner.peek(pre_token.start));
        if boundary.is_line_start {
            (line_before, line) = (line, pre_token.start as usize);
        }
        if boundary.raises_line_before.is_some() {
            headings.push(line_at(line_before));
        } else if boundary.level >= SECTION && !boundary.is_in_fence {
            headings.push(line_at(line));
        }
    }
    headings
}

#[test]
fn lines_that_only_resemble_headings_are_none() {
    for text in [
        // Front matter, in YAML and TOML, also with blank lines and comments.
        "---\ntitle: A\n# a comment\n\ntags: [b]\ndate: 2024\n---\nText",
        "+++\ntitle = 'A'\n# a comment\n+++\n\nText",
        "---\nlayout: post\n...\nText",
        // Indented code.
        "Run:\n\n    # a comment\n    make all\n\n    # another\n    ---\n\nText",
        "Run:\n\n\t# a comment\n",
        "Text\n    # continues\n    ---\n",
        // Comments.
        "<!--\n# hidden\nhidden\n---\n-->\n",
        "Text\n\n<!-- one -->\n---\nText",
        "<!-- one\n\n# two -- > ->\n\nthree\n===\n-->\n---\n",
        // Thematic breaks after list items, quotes, tables and fences.
        "- one\n---\n- two\n",
        "* one\ngoes on\n---\n",
        "1. one\n   two\n---\n",
        "> one\n---\n",
        "| a | b |\n---\n",
        "```\n# in a fence\n```\n---\n",
        "1. one\n\n    ```sh\n    # in a fence\n    ```\n",
    ] {
        assert_eq!(headings(text), Vec::<String>::new(), "{text:?}");
    }
}

#[test]
fn headings_after_what_only_resembles_them_are_found() {
    for (text, expected) in [
        ("---\ntitle: A\n---\n\n# One\n\nText\n", vec!["# One"]),
        ("---\n\n# One\n\nTwo\n---\n", vec!["# One", "Two"]),
        ("---\nText\n\n# One\n\nText", vec!["# One"]),
        ("<!-- a --> b\n\n# One\n", vec!["# One"]),
        ("<!--\na\n-->\n\nOne\n---\n", vec!["One"]),
        ("- item\n\nOne\n---\n\n   # Two\n", vec!["One", "# Two"]),
        ("    code\n\n# One\n", vec!["# One"]),
        ("    ```\n\n# One\n", vec!["# One"]),
        ("> quote\n\nOne\n===\n", vec!["One"]),
    ] {
        assert_eq!(headings(text), expected, "{text:?}");
    }
}

#[test]
fn front_matter_is_not_split() {
    insta::assert_snapshot!(
        levels(Layout::Markdown, "---\ntitle: A b\n---\n# One"),
        @"6- 0!- 0!- 5!title 0!: 1!A 1!b 1!- 0!- 0!- 12# 1One"
    );
}

#[test]
fn records_are_split_between_lines_only() {
    insta::assert_snapshot!(levels(Layout::Records, "a b.\n c, d\n\ne"), @"5a 1!b 0!. 5c 0!, 1!d 5e");
}

#[test]
fn code_splits_at_blank_lines_and_shallow_lines() {
    let text = "use a;\n\nfn b() {\n    c();\n        d();\n\n    e();\n}\nfn f() {}\n";
    insta::assert_snapshot!(
        levels(Layout::Code, text),
        @"7use 1a; 7fn 1b() 1{ 3c(); 2d(); 6e(); 1} 5fn 1f() 1{}"
    );
}
