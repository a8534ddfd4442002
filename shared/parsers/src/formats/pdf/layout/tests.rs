use proptest::prelude::*;

use super::*;
use crate::formats::pdf::text::words;

/// Arranges texts at their places: left, baseline, text. All characters are 5 wide and 10 high.
fn arranged(texts: &[(f32, f32, &str)]) -> String {
    let (mut all, mut areas) = (Vec::new(), Vec::new());
    for (left, bottom, text) in texts {
        let values: Vec<u32> = text.chars().map(u32::from).collect();
        for (index, mut word) in words(&values).into_iter().enumerate() {
            word.starts_line = word.starts_line && index > 0;
            let (first, last) = (word.first as f32, word.last as f32);
            areas.push(Some(Area {
                left: left + 5.0 * first,
                right: left + 5.0 * (last + 1.0),
                bottom: *bottom,
                top: bottom + 10.0,
            }));
            all.push(word);
        }
    }
    arrange(&all, &areas)
}

#[test]
fn lines_paragraphs_and_cells_are_told_apart() {
    let text = arranged(&[
        (50.0, 700.0, "Name"),
        (150.0, 700.0, "Price each"),
        (50.0, 688.0, "Tea"),
        (150.0, 688.0, "3"),
        (50.0, 650.0, "Another one"),
        (105.0, 654.0, "2"),
    ]);
    assert_eq!(text, "Name\tPrice each\nTea\t3\n\nAnother one 2\n");
    let digits =
        arranged(&[(50.0, 700.0, "1"), (150.0, 700.0, "200"), (50.0, 688.0, "2"), (150.0, 688.0, "201")]);
    assert_eq!(digits, "1\t200\n2\t201\n");
}

#[test]
fn leaders_are_reduced() {
    let text = arranged(&[(50.0, 700.0, "Tides . . . . . ."), (200.0, 700.0, "."), (250.0, 700.0, "17")]);
    assert_eq!(text, "Tides .\t17\n");
}

#[test]
fn hyphenated_words_are_joined_across_lines() {
    assert_eq!(arranged(&[(50.0, 700.0, "an exam\u{2}"), (50.0, 688.0, "ple here")]), "an example here\n");
}

/// Two columns of five lines under a title.
fn two_columns(is_across: bool) -> Vec<(f32, f32, &'static str)> {
    let line = |column: usize, row: usize| {
        let text = if column == 0 { "left words of one line" } else { "right words of one line" };
        (50.0 + 200.0 * column as f32, 680.0 - 12.0 * row as f32, text)
    };
    let mut texts =
        vec![(50.0, 700.0, "A title that is as wide as the page and goes over both of its columns")];
    if is_across {
        texts.extend((0..5).flat_map(|row| [line(0, row), line(1, row)]));
    } else {
        texts.extend((0..2).flat_map(|column| (0..5).map(move |row| line(column, row))));
    }
    texts
}

#[test]
fn columns_are_read_one_after_the_other() {
    let across = arranged(&two_columns(true));
    assert_eq!(across.matches("left").count(), 5);
    assert!(across.rfind("left") < across.find("right"), "{across}");
    assert!(across.starts_with("A title"), "{across}");
    assert_eq!(across, arranged(&two_columns(false)));
}

#[test]
fn tables_are_read_by_rows() {
    let cells = ["label", "1,000", "other label", "2,000", "third", "3", "fourth", "4", "fifth", "5"];
    let texts: Vec<(f32, f32, &str)> = cells
        .iter()
        .enumerate()
        .map(|(index, cell)| (50.0 + 200.0 * (index % 2) as f32, 700.0 - 12.0 * (index / 2) as f32, *cell))
        .collect();
    assert_eq!(arranged(&texts), "label\t1,000\nother label\t2,000\nthird\t3\nfourth\t4\nfifth\t5\n");
}

proptest! {
    #[test]
    fn no_word_is_lost(
        places in proptest::collection::vec((-10.0f32..600.0, -10.0f32..800.0, -5.0f32..90.0, -5.0f32..30.0, any::<bool>()), 0..60),
    ) {
        let words: Vec<Word> = (0..places.len())
            .map(|index| Word { text: format!("w{index}"), first: 0, last: 0, starts_line: places[index].4, is_hyphenated: false })
            .collect();
        let areas: Vec<Option<Area>> = places
            .iter()
            .map(|(left, bottom, width, height, known)| {
                known.then_some(Area { left: *left, right: left + width, bottom: *bottom, top: bottom + height })
            })
            .collect();
        let text = arrange(&words, &areas);
        let mut found: Vec<&str> = text.split_whitespace().collect();
        found.sort_unstable();
        let mut expected: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}
