//! Invariants of chunks for every text, strategy and tokenizer.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::path::Path;
use std::sync::LazyLock;

use chunking::{Chunk, ChunkingParameters, Layout, ModelTokenizer, STRATEGIES, SemanticConfig, Strategy};
use common::{chunks_by, minilm};
use proptest::prelude::{
    ProptestConfig, Strategy as _, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::{
    DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerBuilder,
};

static MINILM: LazyLock<ModelTokenizer> = LazyLock::new(minilm);

const SAMPLE: &str = include_str!("texts/sample.md");

type Case = (Strategy, Layout);

const RECURSIVE: Case = (Strategy::Recursive, Layout::Prose);
const MARKDOWN: Case = (Strategy::Markdown { split_level: 6 }, Layout::Markdown);

fn parameters((strategy, layout): Case, size: u32, overlap: u32) -> ChunkingParameters {
    ChunkingParameters::new(strategy, layout, size, overlap, 512).unwrap()
}

/// Every strategy with every layout.
fn cases() -> Vec<Case> {
    let semantic = |min_chunk_size, window_sentences| {
        Strategy::Semantic(SemanticConfig {
            breakpoint_percentile: 60,
            similarity_threshold: 1.0,
            window_sentences,
            min_chunk_size,
        })
    };
    let strategies = [
        Strategy::Recursive,
        Strategy::Fixed,
        Strategy::Markdown { split_level: 6 },
        Strategy::Markdown { split_level: 2 },
        Strategy::Code { splits_declarations: false },
        Strategy::Code { splits_declarations: true },
        semantic(0, 1),
        semantic(20, 3),
        Strategy::Hierarchical { parent_size: 90 },
        Strategy::Hierarchical { parent_size: 16 },
        Strategy::Hybrid { split_level: 3, splits_declarations: true },
    ];
    for definition in &STRATEGIES {
        assert!(strategies.iter().any(|strategy| strategy.name() == definition.name), "{}", definition.name);
    }
    strategies.iter().flat_map(|strategy| Layout::ALL.map(|layout| (*strategy, layout))).collect()
}

/// Checks the invariants of any chunks of any document.
fn check(tokenizer: &ModelTokenizer, size: u32, case: Case, document: &str, chunks: &[Chunk]) {
    let mut covered = 0;
    for (position, chunk) in chunks.iter().enumerate() {
        let (start, end) = (chunk.start_offset as usize, chunk.end_offset as usize);
        assert_eq!(chunk.index as usize, position);
        let text = &document[start..end];
        let is_exact =
            chunk.text == text || (case.1 == Layout::Table && repeats_header(document, text, chunk));
        assert!(is_exact, "offsets of chunk {position}: {:?} is not {text:?}", chunk.text);
        assert_eq!(tokenizer.count(&chunk.text).unwrap(), chunk.token_count, "count of {:?}", chunk.text);
        assert!(chunk.token_count <= size, "{} tokens in {:?}", chunk.token_count, chunk.text);
        assert!(chunk.text.len() <= 32 * size as usize + 256, "{} bytes", chunk.text.len());
        if let Some(before) = position.checked_sub(1).map(|before| &chunks[before]) {
            assert!(chunk.start_offset > before.start_offset && chunk.end_offset > before.end_offset);
        }
        assert_eq!(trim(&document[covered.min(start)..start]), "", "text left out before chunk {position}");
        covered = end;
        for edge in [start, end] {
            // Beside the header of a table.
            let room = if case.1 == Layout::Table { size - size / 4 - 2 } else { size };
            assert!(may_cut(tokenizer, room, document, edge), "a word split at {edge}: {:?}", chunk.text);
        }
    }
    assert_eq!(trim(&document[covered..]), "", "text left out at the end");
}

fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() || character == '\u{200B}')
}

/// Whether a chunk is the document's first line with text, and this text.
fn repeats_header(document: &str, text: &str, chunk: &Chunk) -> bool {
    let header = chunk.text.strip_suffix(text).and_then(|header| header.strip_suffix('\n'));
    header.is_some_and(|header| chunk.index > 0 && document.trim_start_matches(is_space).starts_with(header))
}

/// Checks the invariants of parents.
fn check_parents(tokenizer: &ModelTokenizer, size: u32, case: Case, document: &str, chunks: &[Chunk]) {
    let Strategy::Hierarchical { parent_size } = case.0 else {
        assert!(chunks.iter().all(|chunk| chunk.parent.is_none()));
        return;
    };
    let mut next = 0;
    let mut parents = Vec::new();
    while next < chunks.len() {
        let parent = chunks[next].parent.unwrap();
        let end = next + parent.chunk_count as usize;
        assert_eq!((parent.index as usize, parent.first_chunk as usize), (parents.len(), next));
        let children = &chunks[next..end];
        assert!(children.iter().all(|child| child.parent == Some(parent)));
        assert_eq!(parent.start_offset, children[0].start_offset);
        assert_eq!(parent.end_offset, children[children.len() - 1].end_offset);
        let text = &document[parent.start_offset as usize..parent.end_offset as usize];
        assert_eq!(tokenizer.count(text).unwrap(), parent.token_count, "{text:?}");
        assert!(parent.token_count <= parent_size.max(size), "{} tokens in {text:?}", parent.token_count);
        parents.push(parent);
        next = end;
    }
    assert!(parents.windows(2).all(|pair| pair[0].end_offset <= pair[1].start_offset));
}

/// White space that tokenizers split at: BERT's drops the other three characters and joins the text.
fn is_space(character: char) -> bool {
    character == '\u{200B}' || character.is_whitespace() && !matches!(character, '\u{B}' | '\u{C}' | '\u{85}')
}

/// Whether a chunk may start or end here: beside white space or an ideograph, or inside a word that
/// does not fit into one chunk.
fn may_cut(tokenizer: &ModelTokenizer, size: u32, document: &str, edge: usize) -> bool {
    let (before, after) = document.split_at(edge);
    let is_ideograph =
        |c: char| matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{2FA1F}');
    let (Some(left), Some(right)) = (before.chars().next_back(), after.chars().next()) else {
        return true;
    };
    if is_space(left) || is_space(right) || is_ideograph(left) || is_ideograph(right) {
        return true;
    }
    // A sentence of a script without spaces may end in closing quotes.
    if before.trim_end_matches(['」', '』', '）', '】', '》', '”', '’']).ends_with(['。', '！', '？'])
    {
        return true;
    }
    let start = before.rfind(is_space).map_or(0, |space| before[space..].ceil_char_boundary(1) + space);
    let end = edge + after.find(is_space).unwrap_or(after.len());
    let word = &document[start..end];
    // Splits are estimated where tokens are not counted per word.
    let margin = if tokenizer.counts_per_word() { 0 } else { 2 };
    word.len() > 16 * size as usize || tokenizer.count(word).unwrap() + margin > size
}

fn fragment() -> impl prop::strategy::Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z]{1,9} ",
        2 => "[A-Z][a-z]{1,7}[.!?] ",
        2 => "[!-~]{1,12}",
        1 => "\\PC{1,6}",
        1 => "[一-龥ぁ-んァ-ヶ。、「」]{1,30}",
        1 => "[а-я]{2,12} ",
        1 => "(😀|👩‍👩‍👧|🇩🇪|e\u{301}|ก|한국어){1,12}",
        1 => "[a-z0-9]{90,600}",
        1 => "[a-z./?=&-]{100,900}",
        3 => prop::sample::select(vec![
            "\n", "\r\n", "\n\n", "\r\n\r\n", "\t", "    ", "\n    ", "\n        ", "\u{2028}", "\u{3000}", "\u{A0}",
            "\n# Heading\n", "\n## Part\n\n", "\n```rust\nlet x = 1;\n\nlet y = 2;\n```\n", "\n~~~\n", "\n```\n", "\n- item ",
            "\n1. item ", "[SEP]", "[MASK]", "[CLS", "\u{0}", "\u{C}", "\u{85}", "\u{200B}", "\u{FEFF}", "\u{FFFD}", "\r",
            "Dr. ", "e.g. ", "\n===\n", "\n---\n", "}\n", "{\n",
        ]).prop_map(str::to_owned),
        1 => (0usize..3000).prop_map(|length| " ".repeat(length)),
    ]
}

fn document() -> impl prop::strategy::Strategy<Value = String> {
    prop::collection::vec(fragment(), 0..160).prop_map(|fragments| fragments.concat())
}

fn case() -> impl prop::strategy::Strategy<Value = Case> {
    prop::sample::select(cases())
}

fn sizes() -> impl prop::strategy::Strategy<Value = (u32, u32)> {
    (16u32..80).prop_flat_map(|size| (0..size).prop_map(move |overlap| (size, overlap)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_is_covered_by_exact_and_small_enough_chunks(
        document in document(), case in case(), (size, overlap) in sizes(),
    ) {
        let chunks = chunks_by(&MINILM, parameters(case, size, overlap), &document, usize::MAX);
        check(&MINILM, size, case, &document, &chunks);
        check_parents(&MINILM, size, case, &document, &chunks);
    }

    #[test]
    fn chunks_do_not_depend_on_the_pieces(
        document in document(), case in case(), (size, overlap) in sizes(), piece in 1usize..300,
    ) {
        let parameters = parameters(case, size, overlap);
        prop_assert_eq!(
            chunks_by(&MINILM, parameters, &document, piece),
            chunks_by(&MINILM, parameters, &document, usize::MAX)
        );
    }

    #[test]
    fn overlap_is_as_configured(
        words in prop::collection::vec("[a-z]{1,6}", 50..400), size in 32u32..80, overlap in 12u32..16,
        case in case().prop_filter("an oversized record has no overlap", |(strategy, layout)| {
            *strategy == Strategy::Fixed || !matches!(layout, Layout::Records | Layout::Table)
        }),
    ) {
        let document = words.join(" ");
        let chunks = chunks_by(&MINILM, parameters(case, size, overlap), &document, 100);
        for pair in chunks.windows(2) {
            if pair[0].parent != pair[1].parent {
                assert!(pair[0].end_offset <= pair[1].start_offset, "parents do not overlap");
                continue;
            }
            let repeated = &document[pair[1].start_offset as usize..pair[0].end_offset as usize];
            let tokens = MINILM.count(repeated).unwrap() - MINILM.special_tokens();
            // A word of six letters has at most six tokens.
            assert!((overlap - 6..=overlap).contains(&tokens), "{tokens} of {overlap} tokens: {repeated:?}");
        }
    }

    #[test]
    fn fixed_windows_are_full(
        words in prop::collection::vec("[a-z]{1,6}[.]?(\n\n)?", 50..400), size in 32u32..80,
    ) {
        let document = words.join(" ");
        let fixed = (Strategy::Fixed, Layout::Markdown);
        let chunks = chunks_by(&MINILM, parameters(fixed, size, 0), &document, 100);
        for chunk in &chunks[..chunks.len() - 1] {
            // A word with its mark has at most seven tokens.
            assert!(chunk.token_count > size - 7, "{} of {size} tokens", chunk.token_count);
        }
    }

    #[test]
    fn headings_begin_chunks_and_stay_with_their_section(
        sections in prop::collection::vec(("#{1,3}|=|-", "([a-z]{1,8} ){0,40}[a-z]"), 1..12), size in 48u32..80,
    ) {
        let mut document = String::new();
        let mut starts = Vec::new();
        for (mark, text) in &sections {
            starts.push(document.len() as u64);
            document += &match mark.as_str() {
                "=" | "-" => format!("Heading\n{}\n\n{text}\n\n", mark.repeat(4)),
                depth => format!("{depth} Heading\n\n{text}\n\n"),
            };
        }
        let chunks = chunks_by(&MINILM, parameters(MARKDOWN, size, 8), &document, 100);
        let at_chunks: Vec<u64> = chunks.iter().map(|chunk| chunk.start_offset).collect();
        for start in starts {
            prop_assert!(at_chunks.contains(&start), "no chunk begins at {start}: {document:?}");
        }
        for chunk in &chunks {
            let last = chunk.text.lines().last().unwrap_or_default();
            let is_heading = last == "Heading" || last.starts_with(['#', '=', '-']);
            prop_assert!(!is_heading, "a heading without its section: {:?}", chunk.text);
        }
    }
}

proptest! {
    #[test]
    fn rows_are_whole_and_every_chunk_has_the_header(
        rows in prop::collection::vec("[a-z]{1,8}(\t[a-z0-9 ]{0,12}){2}", 1..60), size in 48u32..128,
        overlap in 0u32..12, piece in 1usize..200,
    ) {
        let header = "name\tport\towner";
        let document = format!("{header}\n{}\n", rows.join("\n"));
        for layout in [Layout::Table, Layout::Records] {
            let chunks = chunks_by(&MINILM, parameters((Strategy::Recursive, layout), size, overlap), &document, piece);
            for chunk in &chunks {
                let (start, end) = (chunk.start_offset as usize, chunk.end_offset as usize);
                prop_assert!(start == 0 || document[..start].ends_with('\n'), "cut row: {:?}", chunk.text);
                prop_assert!(document[end..].trim_start_matches([' ', '\t']).starts_with('\n'), "cut row: {:?}", chunk.text);
                prop_assert_eq!(chunk.text.matches(header).count(), usize::from(layout == Layout::Table || start == 0));
            }
        }
    }
}

#[test]
fn header_that_would_fill_the_chunk_is_not_repeated() {
    let header = "column ".repeat(30);
    let document = format!("{header}\n{}", "one\ttwo\tthree\n".repeat(100));
    let case = (Strategy::Recursive, Layout::Table);
    let chunks = chunks_by(&MINILM, parameters(case, 64, 12), &document, 50);
    check(&MINILM, 64, case, &document, &chunks);
    assert_eq!(chunks.iter().filter(|chunk| chunk.text.contains("column")).count(), 1);
}

#[test]
fn bytes_of_the_header_count_where_white_space_has_no_tokens() {
    let wide = |words: [&str; 2], spaces| format!("{}{}{}\n", words[0], " ".repeat(spaces), words[1]);
    let document = wide(["name", "port"], 490) + &wide(["one", "two"], 600).repeat(20);
    let case = (Strategy::Recursive, Layout::Table);
    let chunks = chunks_by(&MINILM, parameters(case, 64, 0), &document, usize::MAX);
    check(&MINILM, 64, case, &document, &chunks);
    assert!(chunks[1].text.starts_with("name"));
}

#[test]
fn real_texts_satisfy_the_invariants() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["src/chunker.rs", "src/boundary.rs", "Cargo.toml", "../../Cargo.toml"];
    let mut documents: Vec<String> =
        sources.iter().map(|path| std::fs::read_to_string(root.join(path)).unwrap()).collect();
    documents.push(SAMPLE.to_owned());
    documents.push(SAMPLE.replace('\n', "\r\n"));
    documents.push(SAMPLE.replace(char::is_whitespace, ""));
    documents.push("a".repeat(20_000));
    documents.push("9f,".repeat(8000));
    documents.push("文".repeat(4000));
    documents.push("😀".repeat(5000));
    documents.push(format!("start{}end", " ".repeat(100_000)));
    for document in &documents {
        for case in cases() {
            for (size, overlap, most) in [(256, 51, usize::MAX), (128, 0, usize::MAX), (40, 39, 5000)] {
                // With the greatest overlap, there is a chunk for almost every token.
                let document = &document[..document.floor_char_boundary(most)];
                let chunks = chunks_by(&MINILM, parameters(case, size, overlap), document, 1000);
                check(&MINILM, size, case, document, &chunks);
                check_parents(&MINILM, size, case, document, &chunks);
                assert!(!chunks.is_empty());
            }
        }
    }
}

#[test]
fn text_without_words_has_no_chunks() {
    for document in ["", " \n\t \r\n", "\u{3000}\u{A0}"] {
        assert_eq!(chunks_by(&MINILM, parameters(RECURSIVE, 256, 51), document, 1), []);
    }
}

#[test]
fn fence_that_fits_is_never_split() {
    let fence = "```rust\nfn main() {\n    println!(\"hello\");\n\n    println!(\"again\");\n}\n```";
    for words in 0..60 {
        let document = format!("{}\n\n{fence}\n\n{}", "word ".repeat(words), "more words ".repeat(30));
        let (start, end) = (document.find("```").unwrap() as u64, document.rfind("```").unwrap() as u64);
        let cases = cases();
        let know_fences = |(strategy, layout): &&Case| match strategy {
            Strategy::Fixed | Strategy::Code { .. } => false,
            Strategy::Markdown { .. } => !matches!(layout, Layout::Records | Layout::Table),
            _ => *layout == Layout::Markdown,
        };
        for case in cases.iter().filter(know_fences) {
            let chunks = chunks_by(&MINILM, parameters(*case, 64, 12), &document, 50);
            for chunk in &chunks {
                for edge in [chunk.start_offset, chunk.end_offset] {
                    assert!(
                        !(start + 1..end + 3).contains(&edge),
                        "{words} words before: split at {edge} by {case:?}: {chunk:?}"
                    );
                }
            }
            check(&MINILM, 64, *case, &document, &chunks);
        }
    }
}

/// Trains a tokenizer on the sample, writes it and opens it.
fn open_trained<M>(
    model: M,
    trainer: &mut M::Trainer,
    pre_tokenizer: impl Into<PreTokenizerWrapper>,
) -> ModelTokenizer
where
    M: tokenizers::Model + Send + Sync + serde::Serialize + Into<tokenizers::ModelWrapper>,
    M::Trainer: tokenizers::Trainer<Model = M> + Sync,
{
    let mut tokenizer = TokenizerBuilder::<
        M,
        NormalizerWrapper,
        PreTokenizerWrapper,
        PostProcessorWrapper,
        DecoderWrapper,
    >::new()
    .with_model(model)
    .with_pre_tokenizer(Some(pre_tokenizer.into()))
    .build()
    .unwrap();
    tokenizer.train(trainer, SAMPLE.lines()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    tokenizer.save(&path, false).unwrap();
    ModelTokenizer::open(&path).unwrap()
}

fn check_other(tokenizer: &ModelTokenizer) {
    assert!(!tokenizer.counts_per_word());
    let joined = SAMPLE.replace(char::is_whitespace, "");
    for document in [SAMPLE, &joined, &"x".repeat(30_000), &"文".repeat(3000)] {
        for case in cases().into_iter().filter(|(_, layout)| *layout == Layout::Markdown) {
            for (size, overlap) in [(256, 51), (40, 0), (20, 10)] {
                let parameters = parameters(case, size, overlap);
                let chunks = chunks_by(tokenizer, parameters, document, 777);
                check(tokenizer, size, case, document, &chunks);
                check_parents(tokenizer, size, case, document, &chunks);
                assert_eq!(chunks, chunks_by(tokenizer, parameters, document, 13));
            }
        }
    }
    let prose = SAMPLE.split("```").next().unwrap();
    let chunks = chunks_by(tokenizer, parameters(RECURSIVE, 64, 12), prose, 999);
    let filled: u32 = chunks.iter().map(|chunk| chunk.token_count).sum();
    assert!(filled / chunks.len() as u32 > 40, "chunks are not full: {filled} tokens in {}", chunks.len());
}

#[test]
fn byte_level_bpe_is_counted_by_full_encodes() {
    let mut trainer = BpeTrainer::builder()
        .vocab_size(600)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    check_other(&open_trained(BPE::default(), &mut trainer, ByteLevel::default()));
}

#[test]
fn sentence_piece_unigram_is_counted_by_full_encodes() {
    let mut trainer = UnigramTrainer::builder()
        .vocab_size(600)
        .show_progress(false)
        .unk_token(Some("<unk>".into()))
        .special_tokens(vec![tokenizers::AddedToken::from("<unk>", true)])
        .build()
        .unwrap();
    let metaspace = Metaspace::new('▁', PrependScheme::Always, true);
    check_other(&open_trained(Unigram::default(), &mut trainer, metaspace));
}
