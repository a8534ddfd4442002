//! Chunks of small documents, one document for each strategy.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use chunking::{ChunkingParameters, Layout, SemanticConfig, Strategy};
use common::{chunks_by, minilm};
use insta::assert_snapshot;

/// Chunks with their token counts and offsets.
fn show(strategy: Strategy, layout: Layout, size: u32, overlap: u32, document: &str) -> String {
    let parameters = ChunkingParameters::new(strategy, layout, size, overlap, 256).unwrap();
    let chunks = chunks_by(&minilm(), parameters, document, usize::MAX);
    let shown = chunks.iter().map(|chunk| {
        let (tokens, start, end) = (chunk.token_count, chunk.start_offset, chunk.end_offset);
        let parent = chunk.parent.map(|parent| format!(", parent {}", parent.index)).unwrap_or_default();
        format!("--- {tokens} tokens, {start}..{end}{parent}\n{}", chunk.text)
    });
    shown.collect::<Vec<_>>().join("\n")
}

#[test]
fn prose_is_split_between_paragraphs_and_sentences() {
    let document = "The first paragraph is short. It has two sentences.\n\n\
        The second paragraph goes on for longer, so it will not fit beside the first one. \
        Its second sentence says nothing new. Its third one neither, and it ends here.\n";
    assert_snapshot!(show(Strategy::Recursive, Layout::Prose, 32, 6, document), @r"
    --- 31 tokens, 0..134
    The first paragraph is short. It has two sentences.

    The second paragraph goes on for longer, so it will not fit beside the first one.
    --- 25 tokens, 109..213
    fit beside the first one. Its second sentence says nothing new. Its third one neither, and it ends here.
    ");
}

#[test]
fn markdown_is_split_before_headings_and_around_fences() {
    let document = "# Guide\n\nSome words that introduce the guide to its readers.\n\n## Install\n\n\
        Run this command:\n\n```sh\ncargo install guide --locked\nguide --version\n```\n\n## Use\n\nStart it and read.\n";
    assert_snapshot!(show(Strategy::Recursive, Layout::Markdown, 32, 6, document), @r"
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
fn code_is_split_at_blank_lines_with_its_indentation() {
    let document = "use std::fs;\n\nfn first(path: &str) -> usize {\n    let text = fs::read(path);\n    text.len()\n}\n\n\
        fn second() {\n    for line in lines() {\n        print(line);\n        count(line);\n    }\n}\n";
    assert_snapshot!(show(Strategy::Recursive, Layout::Code, 40, 8, document), @r"
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

const SECTIONS: &str = "# Guide\n\n## Install\n\nRun the installer.\n\nUse\n---\n\nStart it.\n\n### Options\n\nThere are none.\n";

#[test]
fn every_section_of_markdown_begins_a_chunk() {
    let strategy = Strategy::Markdown { split_level: 2 };
    assert_snapshot!(show(strategy, Layout::Prose, 64, 12, SECTIONS), @r"
    --- 12 tokens, 0..39
    # Guide

    ## Install

    Run the installer.
    --- 17 tokens, 41..89
    Use
    ---

    Start it.

    ### Options

    There are none.
    ");
}

#[test]
fn fixed_windows_ignore_sentences() {
    assert_snapshot!(show(Strategy::Fixed, Layout::Markdown, 16, 4, SECTIONS), @r"
    --- 16 tokens, 0..48
    # Guide

    ## Install

    Run the installer.

    Use
    ---
    --- 15 tokens, 41..83
    Use
    ---

    Start it.

    ### Options

    There are
    --- 7 tokens, 65..89
    Options

    There are none.
    ");
}

#[test]
fn each_declaration_may_begin_a_chunk() {
    let document =
        "use std::fs;\n\nfn first() {\n    one();\n\n    two();\n}\n\n// Second.\nfn second() {}\n";
    let strategy = Strategy::Code { splits_declarations: true };
    assert_snapshot!(show(strategy, Layout::Prose, 64, 12, document), @r"
    --- 10 tokens, 0..12
    use std::fs;
    --- 17 tokens, 14..51
    fn first() {
        one();

        two();
    }
    --- 13 tokens, 53..78
    // Second.
    fn second() {}
    ");
}

#[test]
fn every_chunk_of_a_table_begins_with_its_header() {
    let document = "name\tport\nheron\t7001\notter and friends\t7002\nlynx\t7003\nbadger\t7004\n";
    assert_snapshot!(show(Strategy::Recursive, Layout::Table, 16, 0, document), @r"
    --- 12 tokens, 0..43
    name	port
    heron	7001
    otter and friends	7002
    --- 10 tokens, 44..65
    name	port
    lynx	7003
    badger	7004
    ");
}

#[test]
fn chunks_end_where_the_topic_changes() {
    let document = "The tide rises and falls twice a day along most coasts. The pull of the moon lifts the water. \
        Spring tides come when sun and moon stand in line. A sourdough starter is a mix of flour and water. \
        Wild yeast in the dough makes it rise slowly. Bakers knead the bread and let it rest overnight. \
        The court of appeal heard the case in March. The judge ruled that the contract was void. \
        Lawyers for the tenant asked for damages.";
    let strategy = Strategy::Semantic(SemanticConfig {
        breakpoint_percentile: 75,
        similarity_threshold: 0.6,
        window_sentences: 2,
        min_chunk_size: 16,
    });
    assert_snapshot!(show(strategy, Layout::Prose, 128, 24, document), @r"
    --- 34 tokens, 0..144
    The tide rises and falls twice a day along most coasts. The pull of the moon lifts the water. Spring tides come when sun and moon stand in line.
    --- 37 tokens, 145..289
    A sourdough starter is a mix of flour and water. Wild yeast in the dough makes it rise slowly. Bakers knead the bread and let it rest overnight.
    --- 29 tokens, 290..420
    The court of appeal heard the case in March. The judge ruled that the contract was void. Lawyers for the tenant asked for damages.
    ");
}

#[test]
fn parents_contain_their_chunks() {
    let document = "One is here. Two follows it. Three comes then. Four is next. Five is the fifth. Six is more. \
        Seven goes on. Eight is late. Nine is nearly last. Ten ends it all.";
    let strategy = Strategy::Hierarchical { parent_size: 32 };
    assert_snapshot!(show(strategy, Layout::Prose, 16, 4, document), @r"
    --- 14 tokens, 0..46, parent 0
    One is here. Two follows it. Three comes then.
    --- 15 tokens, 29..79, parent 0
    Three comes then. Four is next. Five is the fifth.
    --- 14 tokens, 66..107, parent 0
    is the fifth. Six is more. Seven goes on.
    --- 16 tokens, 108..160, parent 1
    Eight is late. Nine is nearly last. Ten ends it all.
    ");
}
