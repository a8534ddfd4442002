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

#[test]
fn code_splits_at_blank_lines_and_shallow_lines() {
    let text = "use a;\n\nfn b() {\n    c();\n        d();\n\n    e();\n}\nfn f() {}\n";
    insta::assert_snapshot!(
        levels(Layout::Code, text),
        @"7use 1a; 7fn 1b() 1{ 3c(); 2d(); 6e(); 1} 5fn 1f() 1{}"
    );
}
