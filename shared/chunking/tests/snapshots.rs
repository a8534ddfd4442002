//! What the chunks of small documents look like, one for each strategy.

#![expect(clippy::unwrap_used, reason = "a test has no better way to end")]

mod common;

use chunking::{ChunkingParameters, Strategy};
use common::{chunks_by, minilm};
use insta::assert_snapshot;

/// Chunks with their tokens and offsets, divided by lines.
fn show(strategy: Strategy, size: u32, overlap: u32, document: &str) -> String {
    let parameters = ChunkingParameters::new(strategy, size, overlap, 256).unwrap();
    let chunks = chunks_by(&minilm(), parameters, document, usize::MAX);
    let shown = chunks.iter().map(|chunk| {
        let (tokens, start, end) = (chunk.token_count, chunk.start_offset, chunk.end_offset);
        format!("--- {tokens} tokens, {start}..{end}\n{}", chunk.text)
    });
    shown.collect::<Vec<_>>().join("\n")
}

#[test]
fn running_text_is_cut_between_paragraphs_and_sentences() {
    let document = "The first paragraph is short. It has two sentences.\n\n\
        The second paragraph goes on for longer, so it will not fit beside the first one. \
        Its second sentence says nothing new. Its third one neither, and it ends here.\n";
    assert_snapshot!(show(Strategy::Recursive, 32, 6, document), @r"
    --- 31 tokens, 0..134
    The first paragraph is short. It has two sentences.

    The second paragraph goes on for longer, so it will not fit beside the first one.
    --- 25 tokens, 109..213
    fit beside the first one. Its second sentence says nothing new. Its third one neither, and it ends here.
    ");
}

#[test]
fn markdown_is_cut_before_headings_and_around_fences() {
    let document = "# Guide\n\nSome words that introduce the guide to its readers.\n\n## Install\n\n\
        Run this command:\n\n```sh\ncargo install guide --locked\nguide --version\n```\n\n## Use\n\nStart it and read.\n";
    assert_snapshot!(show(Strategy::Markdown, 32, 6, document), @r"
    --- 14 tokens, 0..60
    # Guide

    Some words that introduce the guide to its readers.
    --- 32 tokens, 35..147
    the guide to its readers.

    ## Install

    Run this command:

    ```sh
    cargo install guide --locked
    guide --version
    ```
    --- 10 tokens, 149..175
    ## Use

    Start it and read.
    ");
}

#[test]
fn code_is_cut_at_blank_lines_with_its_indentation() {
    let document = "use std::fs;\n\nfn first(path: &str) -> usize {\n    let text = fs::read(path);\n    text.len()\n}\n\n\
        fn second() {\n    for line in lines() {\n        print(line);\n        count(line);\n    }\n}\n";
    assert_snapshot!(show(Strategy::Code, 40, 8, document), @r"
    --- 37 tokens, 0..76
    use std::fs;

    fn first(path: &str) -> usize {
        let text = fs::read(path);
    --- 35 tokens, 61..155
    fs::read(path);
        text.len()
    }

    fn second() {
        for line in lines() {
            print(line);
    --- 15 tokens, 133..184
    {
            print(line);
            count(line);
        }
    }
    ");
}
