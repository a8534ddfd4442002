//! The languages whose words are stemmed, and which of them a text is in.

use std::array;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use frostem::{Algorithm, Stemmer};

use crate::alphabet::Alphabet;
use crate::forms::lower;
use crate::normalized::NormalizedText;
use crate::stop_words::ENGLISH;

/// Stems of longer words are of no use.
const MAX_STEMMED_BYTES: usize = 64;

/// A language with a stemmer.
#[derive(Debug)]
struct Language {
    code: &'static str,
    alphabet: Alphabet,
    algorithm: Algorithm,
}

const fn language(code: &'static str, alphabet: Alphabet, algorithm: Algorithm) -> Language {
    Language { code, alphabet, algorithm }
}

/// All languages. The first of an alphabet is its default, which is assumed where a text does not tell.
const LANGUAGES: [Language; 29] = [
    language("en", Alphabet::Latin, Algorithm::English),
    language("de", Alphabet::Latin, Algorithm::German),
    language("fr", Alphabet::Latin, Algorithm::French),
    language("es", Alphabet::Latin, Algorithm::Spanish),
    language("it", Alphabet::Latin, Algorithm::Italian),
    language("pt", Alphabet::Latin, Algorithm::Portuguese),
    language("nl", Alphabet::Latin, Algorithm::Dutch),
    language("sv", Alphabet::Latin, Algorithm::Swedish),
    language("da", Alphabet::Latin, Algorithm::Danish),
    language("no", Alphabet::Latin, Algorithm::Norwegian),
    language("fi", Alphabet::Latin, Algorithm::Finnish),
    language("ca", Alphabet::Latin, Algorithm::Catalan),
    language("ro", Alphabet::Latin, Algorithm::Romanian),
    language("hu", Alphabet::Latin, Algorithm::Hungarian),
    language("tr", Alphabet::Latin, Algorithm::Turkish),
    language("pl", Alphabet::Latin, Algorithm::Polish),
    language("cs", Alphabet::Latin, Algorithm::Czech),
    language("id", Alphabet::Latin, Algorithm::Indonesian),
    language("et", Alphabet::Latin, Algorithm::Estonian),
    language("lt", Alphabet::Latin, Algorithm::Lithuanian),
    language("eu", Alphabet::Latin, Algorithm::Basque),
    language("ru", Alphabet::Cyrillic, Algorithm::Russian),
    language("uk", Alphabet::Cyrillic, Algorithm::Ukrainian),
    language("el", Alphabet::Greek, Algorithm::Greek),
    language("hy", Alphabet::Armenian, Algorithm::Armenian),
    language("ar", Alphabet::Arabic, Algorithm::Arabic),
    language("fa", Alphabet::Arabic, Algorithm::Persian),
    language("hi", Alphabet::Devanagari, Algorithm::Hindi),
    language("ta", Alphabet::Tamil, Algorithm::Tamil),
];

/// A set of languages, by their positions in [`LANGUAGES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Languages(u32);

impl Languages {
    pub(crate) const ALL: Self = Self(u32::MAX >> (32 - LANGUAGES.len()));
    /// Languages that write compounds as one word: German, Dutch, Swedish, Danish, Norwegian, Finnish.
    pub(crate) const WITH_COMPOUNDS: Self = Self(1 << 1 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10);

    /// Returns the languages in which a word in lower case is a stop word.
    pub(crate) fn with_stop_word(word: &str) -> Self {
        STOP_WORDS.get(word).copied().unwrap_or_default()
    }

    /// Returns the languages that are written in an alphabet.
    fn written_in(alphabet: Alphabet) -> Self {
        let positions = LANGUAGES.iter().enumerate().filter(|(_, language)| language.alphabet == alphabet);
        Self(positions.fold(0, |languages, (position, _)| languages | 1 << position))
    }

    /// Returns whether both sets have a language.
    pub(crate) fn overlap(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn first(self) -> Self {
        Self(self.0 & self.0.wrapping_neg())
    }

    fn positions(self) -> impl Iterator<Item = usize> {
        (0..LANGUAGES.len()).filter(move |position| self.0 & (1 << position) != 0)
    }

    /// Returns whether a word is its own stem in one of these languages, or has none.
    pub(crate) fn keep(self, word: &str) -> bool {
        let (mut is_kept, mut has_stem) = (false, false);
        self.for_each_stem(word, |stem| {
            has_stem = true;
            is_kept |= stem == word;
        });
        is_kept || !has_stem
    }

    /// Calls `found` with the stem of a word in lower case in each of these languages that is written in the word's
    /// alphabet. The same stem may come up several times.
    pub(crate) fn for_each_stem<'w>(self, word: &'w str, mut found: impl FnMut(Cow<'w, str>)) {
        let Some(alphabet) = Alphabet::of(word).filter(|_| word.len() <= MAX_STEMMED_BYTES) else {
            return;
        };
        for position in self.positions() {
            let language = &LANGUAGES[position];
            if language.alphabet == alphabet {
                found(Stemmer::new(language.algorithm).stem(word));
            }
        }
    }
}

/// How many words of a text are stop words of each language: the function words of a sentence tell its language.
#[derive(Debug, Clone, Default)]
pub(crate) struct Votes([u32; LANGUAGES.len()]);

impl Votes {
    /// Counts a word.
    pub(crate) fn add(&mut self, is_stop_word_in: Languages) {
        for position in is_stop_word_in.positions() {
            self.0[position] += 1;
        }
    }

    /// Returns the languages of each alphabet that have the most votes, the default one if none has any.
    pub(crate) fn probable(&self) -> Languages {
        self.of_each_alphabet(|all| {
            let (most, leaders) = self.leaders(all);
            if most > 0 { leaders } else { all.first() }
        })
    }

    /// Returns the language of each alphabet if it is certain, or else all of the alphabet.
    pub(crate) fn possible(&self) -> Languages {
        self.of_each_alphabet(|all| self.certain(all).unwrap_or(all))
    }

    /// Returns the language of each alphabet if it is certain, or else the default one.
    pub(crate) fn certain_or_default(&self) -> Languages {
        self.of_each_alphabet(|all| self.certain(all).unwrap_or(all.first()))
    }

    /// Returns the one of these languages that has at least two votes, and more than all others.
    fn certain(&self, all: Languages) -> Option<Languages> {
        let (most, leaders) = self.leaders(all);
        (most >= 2 && leaders == leaders.first()).then_some(leaders)
    }

    /// Returns the most votes that one of these languages has, and the languages that have them.
    fn leaders(&self, all: Languages) -> (u32, Languages) {
        let most = all.positions().map(|position| self.0[position]).max().unwrap_or(0);
        let leaders = all.positions().filter(|position| self.0[*position] == most);
        (most, Languages(leaders.fold(0, |languages, position| languages | 1 << position)))
    }

    fn of_each_alphabet(&self, choose: impl Fn(Languages) -> Languages) -> Languages {
        let chosen = Alphabet::ALL.map(|alphabet| choose(Languages::written_in(alphabet)));
        chosen.into_iter().fold(Languages::default(), Languages::union)
    }
}

/// The languages in which a word is a stop word, by word in lower case.
static STOP_WORDS: LazyLock<HashMap<String, Languages>> = LazyLock::new(|| {
    let lists: [&[&str]; LANGUAGES.len()] = array::from_fn(|position| match LANGUAGES[position].code {
        "en" => &ENGLISH,
        code => stop_words::lookup(code).unwrap_or_default(),
    });
    let mut languages: HashMap<String, Languages> = HashMap::new();
    for (position, list) in lists.iter().enumerate() {
        for word in *list {
            let word = lower(NormalizedText::new(word).as_str()).into_owned();
            languages.entry(word).or_default().0 |= 1 << position;
        }
    }
    languages
});

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(text: &str) -> Votes {
        let mut votes = Votes::default();
        for word in text.split(' ') {
            votes.add(Languages::with_stop_word(word));
        }
        votes
    }

    fn codes(languages: Languages, alphabet: Alphabet) -> Vec<&'static str> {
        let known = Languages::written_in(alphabet).positions();
        let known = known.filter(|position| languages.overlap(Languages(1 << position)));
        known.map(|position| LANGUAGES[position].code).collect()
    }

    #[test]
    fn every_language_has_stop_words_and_a_default_exists_for_each_alphabet() {
        for (position, language) in LANGUAGES.iter().enumerate() {
            let own = STOP_WORDS.values().filter(|languages| languages.overlap(Languages(1 << position)));
            assert!(own.count() >= 30, "{}", language.code);
        }
        assert_eq!(Votes::default().probable().positions().count(), Alphabet::ALL.len());
        assert_eq!(codes(Languages::WITH_COMPOUNDS, Alphabet::Latin), ["de", "nl", "sv", "da", "no", "fi"]);
    }

    #[test]
    fn language_is_told_by_stop_words() {
        let latin = |text| codes(votes(text).probable(), Alphabet::Latin);
        assert_eq!(latin("der deich wird nach dem sturm geprüft"), ["de"]);
        assert_eq!(latin("les bateaux sont dans le port"), ["fr"]);
        assert_eq!(latin("los barcos están en el puerto"), ["es"]);
        assert_eq!(latin("båtarna ligger i hamnen och väntar på vind"), ["sv"]);
        assert_eq!(latin("łodzie są w porcie i czekają na wiatr"), ["pl"]);
        assert_eq!(latin("the boats are in the harbour"), ["en"]);
        assert_eq!(latin("zzz"), ["en"]);
        let text = votes("лодки стоят у причала и ждут the");
        assert_eq!(codes(text.probable(), Alphabet::Cyrillic), ["ru"]);
        let text = votes("човни стоять біля причалу та чекають на вітер що");
        assert_eq!(codes(text.probable(), Alphabet::Cyrillic), ["uk"]);
    }

    #[test]
    fn few_words_leave_the_language_open() {
        assert_eq!(codes(votes("die flut").possible(), Alphabet::Latin).len(), 21);
        assert_eq!(codes(votes("wie hoch ist die flut").possible(), Alphabet::Latin), ["de"]);
        assert_eq!(votes("flut").possible(), Languages::ALL);
        assert_eq!(codes(votes("die flut").certain_or_default(), Alphabet::Latin), ["en"]);
    }
}
