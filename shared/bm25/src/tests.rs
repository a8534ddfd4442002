//! What is found by what: queries and texts of many languages.

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use crate::{chunk_terms, find_terms, query_terms};

/// Returns the score of a text for a query, without the IDF.
fn score(query: &str, text: &str) -> f32 {
    let (query, text) = (query_terms(query), chunk_terms(text));
    let weight_in_text = |id: &u32| text.ids.binary_search(id).map_or(0.0, |position| text.weights[position]);
    query.ids.iter().zip(&query.weights).map(|(id, weight)| weight * weight_in_text(id)).sum()
}

fn found<'t>(query: &str, text: &'t str) -> Vec<&'t str> {
    find_terms(text, &query_terms(query)).into_iter().map(|range| &text[range]).collect()
}

/// Asserts that each query finds the text, and that the words that it finds are highlighted.
fn assert_finds(text: &str, queries: &[(&str, &[&str])]) {
    for (query, words) in queries {
        assert!(score(query, text) > 0.0, "{query:?} does not find {text:?}");
        assert_eq!(found(query, text), *words, "{query:?} in {text:?}");
    }
}

#[test]
fn canonically_equal_words_are_one_term() {
    let text = "Der Schlüssel lag im Café Übersee. Điện thoại ở tầng trệt.";
    let decomposed: String = text.nfd().collect();
    for query in ["Schlüssel", "café", "Übersee", "điện thoại", "tầng trệt"] {
        let other: String = query.nfd().collect();
        for (query, text) in [(query, decomposed.as_str()), (other.as_str(), text), (query, text)] {
            assert_eq!(score(query, text), score(query, &text.nfc().collect::<String>()));
            assert_eq!(found(query, text).concat().nfc().collect::<String>(), {
                let words: Vec<&str> = text.split([' ', '.']).collect();
                let is_wanted = |word: &&str| {
                    query
                        .nfc()
                        .collect::<String>()
                        .to_lowercase()
                        .split(' ')
                        .any(|part| part == word.nfc().collect::<String>().to_lowercase())
                };
                words.into_iter().filter(is_wanted).collect::<String>().nfc().collect::<String>()
            });
        }
    }
}

#[test]
fn invisible_characters_ligatures_and_width_do_not_matter() {
    assert_finds(
        "Die Lei\u{ad}nen\u{ad}trom\u{ad}mel ist im \u{fb01}nalen Sta\u{fb04}. ＬＥＤ ｶﾒﾗ. و\u{64e}ر\u{64e}ق\u{64e}ة\u{64c} می\u{200c}روند",
        &[
            ("Leinentrommel", &["Lei\u{ad}nen\u{ad}trom\u{ad}mel"]),
            ("finalen", &["\u{fb01}nalen"]),
            ("staffl", &["Sta\u{fb04}"]),
            ("led", &["ＬＥＤ"]),
            ("カメラ", &["ｶﾒﾗ"]),
            ("ورقة", &["و\u{64e}ر\u{64e}ق\u{64e}ة\u{64c}"]),
            ("میروند", &["می\u{200c}روند"]),
        ],
    );
    assert_finds("left\u{200b}right", &[("right", &["right"])]);
}

#[test]
fn accents_and_case_are_folded_and_exact_words_rank_higher() {
    assert_finds(
        "Das Gefäß steht in der Fußgängerzone, Señor Núñez. GROSSE ELBSTRASSE. Ёлка у Ŝlosilo.",
        &[
            ("gefäss", &["Gefäß"]),
            ("fussgangerzone", &["Fußgängerzone"]),
            ("nunez", &["Núñez"]),
            ("große elbstraße", &["GROSSE", "ELBSTRASSE"]),
            ("елка", &["Ёлка"]),
        ],
    );
    for (query, exact, other) in [
        ("pâte", "la pâte et le four", "le pate et le four"),
        ("pate", "le pate et le four", "la pâte et le four"),
        ("boats", "the boats in it", "the boat in it"),
        ("boat", "the boat in it", "the boats in it"),
    ] {
        assert!(score(query, exact) > score(query, other) && score(query, other) > 0.0, "{query}");
    }
}

#[test]
fn words_after_an_elision_are_found() {
    assert_finds(
        "L'ancre de l’amiral n'a pas d'anneau. All'isola c’è dell'ombra. L'illa d'en Pere.",
        &[
            ("ancre", &["ancre"]),
            ("amiral", &["amiral"]),
            ("anneau", &["anneau"]),
            ("isola", &["isola"]),
            ("ombra", &["ombra"]),
            ("illa", &["illa"]),
            ("l'ancre", &["ancre"]),
        ],
    );
    assert_finds(
        "Aujourd’hui, prud'homme.",
        &[("aujourd'hui", &["Aujourd’hui"]), ("prud’homme", &["prud'homme"])],
    );
}

#[test]
fn apostrophes_of_english_and_of_names() {
    assert_finds(
        "The pilot's charts don't show O'Hara's reef; Об'єкт стоїть.",
        &[("pilots", &["pilot"]), ("pilot", &["pilot"]), ("об’єкт", &["Об'єкт"]), ("o'hara", &["O'Hara"])],
    );
    assert_eq!(score("don", "They don't."), 0.0);
}

#[test]
fn inflected_words_of_many_languages_are_found() {
    for (query, text) in [
        ("sailing boat", "Two boats sailed past."),
        ("Brücke", "Die Brücken sind seit gestern gesperrt und werden geprüft."),
        ("bateau", "Les bateaux sont dans le port depuis hier."),
        ("barco", "Los barcos están en el puerto desde ayer."),
        ("barca", "Le barche sono nel porto da ieri e non escono."),
        ("лодка", "Все лодки стоят у причала и ждут."),
        ("причал", "Човни стоять біля причалу, і вони чекають на вітер."),
        ("łódka", "Te łódki są w porcie i czekają na wiatr."),
        ("loď", "Všechny lodě jsou v přístavu a čekají na vítr."),
        ("haven", "De havens zijn dicht en wij wachten op het schip."),
        ("båt", "Båtarna ligger i hamnen och väntar på vind."),
        ("vene", "Veneet ovat satamassa ja odottavat tuulta."),
        ("λιμάνι", "Τα λιμάνια είναι κλειστά από χθες."),
        ("liman", "Limanlar dünden beri kapalı ve gemiler bekliyor."),
        ("كتاب", "الكتاب على الطاولة"),
    ] {
        assert!(score(query, text) > 0.0, "{query:?} does not find {text:?}");
        assert!(!found(query, text).is_empty(), "{query:?} in {text:?}");
    }
}

#[test]
fn words_of_scripts_without_spaces_are_found() {
    assert_finds(
        "灯台の光を毎晩確認する。サーバールームの鍵。水を飲む。",
        &[("灯台", &["灯台"]), ("サーバー", &["サーバー"]), ("ルーム", &["ルーム"]), ("水", &["水"])],
    );
    assert_finds(
        "등대지기를 찾는다. 물을 마신다.",
        &[("등대", &["등대"]), ("등대지기", &["등대지기"]), ("물", &["물"])],
    );
    assert_finds("灯塔每天晚上都亮。", &[("灯塔", &["灯塔"]), ("晚上", &["晚上"])]);
    assert_finds("ประภาคารเปิดไฟทุกคืน", &[("ประภาคาร", &["ประภาคาร"]), ("ทุกคืน", &["ทุกคืน"])]);
    assert_finds("ប្រទីបត្រូវបានបើក", &[("ប្រទីប", &["ប្រទីប"])]);
    assert_finds("ປະພາຄານເປີດໄຟ", &[("ເປີດໄຟ", &["ເປີດໄຟ"])]);
    assert_finds("မီးပြတိုက်ကိုဖွင့်သည်", &[("မီးပြတိုက်", &["မီးပြတိုက်"])]);
}

#[test]
fn compounds_are_found_by_their_parts_and_find_them() {
    let text = "Die Leuchtturmwärterwohnung wurde im Sturm beschädigt und ist nicht bewohnt.";
    let whole = "Leuchtturmwärterwohnung";
    assert_finds(text, &[("Leuchtturm", &[whole]), ("Leuchtturmwärter", &[whole]), ("Wohnung", &[whole])]);
    assert!(score(whole, "Im Leuchtturm ist eine Wohnung, die nicht bewohnt ist.") > 0.0);
    assert!(score("Leuchtturm", "Der Leuchtturm ist im Hafen.") > score("Leuchtturm", text));
    assert_eq!(score("light", "The lighthousekeeper is not in the harbour."), 0.0);
}

#[test]
fn names_are_found_whole_and_by_their_parts() {
    assert_finds(
        "Since v4.17.2, openTideTable() in TideTableReader.java calls XMLParser; see sea_level and /srv/tide-data.",
        &[
            ("4.17.2", &["4.17.2"]),
            ("v4.17.2", &["v4.17.2"]),
            ("4.17", &["4.17.2"]),
            ("tide table", &["Tide", "Table", "Tide", "Table", "tide"]),
            ("xml", &["XML"]),
            ("parser", &["Parser"]),
            ("level", &["level"]),
            ("sea_level", &["sea_level"]),
            ("srv", &["srv"]),
        ],
    );
    assert_finds(
        "C++ and F# on .NET; x86_64",
        &[("c++", &["C++"]), ("F#", &["F#"]), (".net", &["NET"]), ("x86_64", &["x86_64"])],
    );
    assert_finds(
        "openTideTable()",
        &[("opentidetable", &["openTideTable"]), ("OpenTideTable", &["openTideTable"])],
    );
    assert!(score("c++", "C++ code") > score("c++", "C code"));
    assert_finds(
        "the wi-fi and an e-mail",
        &[("wifi", &["wi-fi"]), ("email", &["e-mail"]), ("wi-fi", &["wi-fi"])],
    );
    assert_finds(
        "part XR-2207-B",
        &[("XR-2207-B", &["XR-2207-B"]), ("2207", &["2207"]), ("xr2207b", &["XR-2207-B"])],
    );
}

#[test]
fn numbers_are_found_in_other_notations() {
    assert_finds(
        "7,654,321.50 of 75cm at 10.20.30.40, 3,14 and 12.500,75",
        &[
            ("7654321", &["7,654,321.50"]),
            ("75 cm", &["75", "cm"]),
            ("10.20", &["10.20.30.40"]),
            ("10.20.30.40", &["10.20.30.40"]),
            ("3.14", &["3,14"]),
            ("12500", &["12.500,75"]),
        ],
    );
    assert_finds("75 cm", &[("75cm", &["75", "cm"])]);
    assert_finds("10² m²", &[("m2", &["m²"]), ("10", &["10"])]);
    assert_eq!(score("102", "10² m²"), 0.0);
}

#[test]
fn stop_words_count_where_nothing_else_is_left() {
    let text = "The Who sang; IT said it will be or not be. Vitamin D and the Don.";
    assert_finds(
        text,
        &[("The Who", &["The", "Who", "the"]), ("will", &["will"]), ("D", &["D"]), ("Don", &["Don"])],
    );
    assert!(score("to be or not to be", text) > 0.0);
    assert_eq!(found("the vitamin", text), ["Vitamin"]);
    assert!(query_terms(" … — \u{200b} ").is_empty() && chunk_terms("\u{ad}").is_empty());
}

proptest! {
    #[test]
    fn canonically_equal_texts_have_equal_terms(text in "\\PC{0,100}") {
        let decomposed: String = text.nfd().collect();
        prop_assert_eq!(chunk_terms(&text), chunk_terms(&decomposed));
        prop_assert_eq!(query_terms(&text), query_terms(&decomposed));
    }

    #[test]
    fn every_text_is_found_by_itself(text in "\\PC{0,60}") {
        let query = query_terms(&text);
        if !query.is_empty() {
            prop_assert!(score(&text, &text) > 0.0);
            prop_assert!(!find_terms(&text, &query).is_empty());
        }
    }

    #[test]
    fn found_places_are_words_in_order(text in "\\PC{0,100}", query in "\\PC{0,20}") {
        let query = query_terms(&format!("{query} {text}"));
        let mut end = 0;
        for range in find_terms(&text, &query) {
            prop_assert!(range.start >= end && range.start < range.end);
            prop_assert!(text.is_char_boundary(range.start) && text.is_char_boundary(range.end));
            end = range.end;
        }
        prop_assert!(end <= text.len());
    }
}
