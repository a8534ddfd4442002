//! Formats of numbers, as far as they change what is searched for: percent, decimals, thousands, currencies and units.

/// A format that can be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NumberFormat {
    prefix: String,
    suffix: String,
    /// Decimals that are always shown, and at most.
    min_decimals: usize,
    max_decimals: usize,
    has_thousands: bool,
    is_percent: bool,
}

/// Numbers from here on have no exact decimals.
const MAX_NUMBER: f64 = 1e15;

/// Decimals that numbers have.
const MAX_DECIMALS: usize = 15;

impl NumberFormat {
    /// Parses a format code; `None` for one that shows numbers as they are (`General`), or in a way that is not
    /// supported (dates, fractions, exponents, text).
    pub(crate) fn parse(code: &str) -> Option<Self> {
        let mut format = Self {
            prefix: String::new(),
            suffix: String::new(),
            min_decimals: 0,
            max_decimals: 0,
            has_thousands: false,
            is_percent: false,
        };
        let (mut has_digits, mut in_decimals) = (false, false);
        let mut characters = code.chars();
        while let Some(character) = characters.next() {
            let literal: String = match character {
                '0' | '#' | '?' => {
                    has_digits = true;
                    if in_decimals {
                        format.max_decimals += 1;
                        format.min_decimals += usize::from(character == '0');
                    }
                    continue;
                }
                '.' if !in_decimals => {
                    in_decimals = true;
                    continue;
                }
                ',' => {
                    // After the digits, it would divide by a thousand.
                    if in_decimals || !characters.as_str().starts_with(['0', '#', '?']) {
                        return None;
                    }
                    format.has_thousands = true;
                    continue;
                }
                '%' => {
                    format.is_percent = true;
                    "%".to_owned()
                }
                '"' => characters.by_ref().take_while(|character| *character != '"').collect(),
                '\\' => characters.next().into_iter().collect(),
                // A space as wide as the next character, and a fill.
                '_' | '*' => {
                    characters.next();
                    continue;
                }
                '[' => {
                    let content: String =
                        characters.by_ref().take_while(|character| *character != ']').collect();
                    // A currency with its region; else a colour or a condition.
                    match content.strip_prefix('$') {
                        Some(currency) => currency.split('-').next().unwrap_or_default().to_owned(),
                        None => continue,
                    }
                }
                // The format of negative numbers.
                ';' => break,
                '$' | '€' | '£' | '¥' | ' ' | '(' | ')' | '+' | '-' | ':' | '\u{A0}' => {
                    character.to_string()
                }
                _ => return None,
            };
            if has_digits { format.suffix += &literal } else { format.prefix += &literal }
        }
        let decimals = format.max_decimals <= MAX_DECIMALS;
        (has_digits && decimals).then_some(format)
    }

    /// Formats a number; `None` if it has too many digits.
    pub(crate) fn apply(&self, number: f64) -> Option<String> {
        let scaled = if self.is_percent { number * 100.0 } else { number };
        if !scaled.is_finite() || scaled.abs() >= MAX_NUMBER {
            return None;
        }
        let mut digits = format!("{:.*}", self.max_decimals, scaled.abs());
        for _ in self.min_decimals..self.max_decimals {
            if !digits.ends_with('0') {
                break;
            }
            digits.pop();
        }
        let digits = digits.trim_end_matches('.');
        let is_zero = !digits.bytes().any(|digit| matches!(digit, b'1'..=b'9'));
        let sign = if scaled < 0.0 && !is_zero { "-" } else { "" };
        let digits = if self.has_thousands { with_thousands(digits) } else { digits.to_owned() };
        Some(format!("{sign}{}{digits}{}", self.prefix, self.suffix).trim().to_owned())
    }
}

fn with_thousands(digits: &str) -> String {
    let integers = digits.find('.').unwrap_or(digits.len());
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && index < integers && (integers - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_shown_as_in_the_sheet() {
        for (code, number, text) in [
            ("0%", 0.153, "15%"),
            ("0.00%", 0.153, "15.30%"),
            ("#,##0.00", 1_234_567.891, "1,234,567.89"),
            ("#,##0", 999.0, "999"),
            ("0.##", 2.5, "2.5"),
            ("0.##", 2.0, "2"),
            ("#,##0.00\\ \"€\"", -3.0, "-3.00 €"),
            ("[$£-809]#,##0", 1_200.0, "£1,200"),
            ("_-* #,##0.00_-;[Red]-#,##0.00", 5.0, "5.00"),
            ("0\" kg\"", 12.4, "12 kg"),
            ("0", -0.2, "0"),
        ] {
            let format = NumberFormat::parse(code).unwrap_or_else(|| panic!("{code}"));
            assert_eq!(format.apply(number).as_deref(), Some(text), "{code}");
        }
        for code in ["General", "@", "0.00E+00", "# ?/?", "yyyy-mm-dd", "#,##0,", ""] {
            assert_eq!(NumberFormat::parse(code), None, "{code}");
        }
    }

    proptest! {
        #[test]
        fn any_format_is_applied_or_refused(code in "[0#?.,%\"\\\\_*\\[\\]$;€ aE/-]{0,16}", number in any::<f64>()) {
            if let Some(format) = NumberFormat::parse(&code) {
                let text = format.apply(number);
                prop_assert_eq!(text.is_none(), !number.is_finite() || number.abs() * if format.is_percent { 100.0 } else { 1.0 } >= MAX_NUMBER);
            }
        }
    }
}
