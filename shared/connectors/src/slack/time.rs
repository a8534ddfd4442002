//! Slack's times: seconds since 1970 with six decimals, which also identify a message within its channel.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

/// The time of a message, or of none if it cannot be read.
pub(super) fn time_of(ts: &str) -> Option<DateTime<Utc>> {
    let (seconds, decimals) = ts.split_once('.').unwrap_or((ts, "0"));
    let micros: u32 = format!("{decimals:0<6}").get(..6)?.parse().ok()?;
    DateTime::from_timestamp(seconds.parse().ok()?, micros * 1000)
}

/// The day of a message in UTC.
pub(super) fn day_of(ts: &str) -> Option<NaiveDate> {
    time_of(ts).map(|time| time.date_naive())
}

/// The time when a day begins in UTC.
pub(super) fn start_of(day: NaiveDate) -> String {
    format!("{}.000000", day.and_time(NaiveTime::MIN).and_utc().timestamp())
}

/// The number of a message in URLs.
pub(super) fn digits(ts: &str) -> String {
    ts.replace('.', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_messages() {
        assert_eq!(time_of("1764154800.000100").unwrap().to_rfc3339(), "2025-11-26T11:00:00.000100+00:00");
        assert_eq!(day_of("1764201599.999999").unwrap().to_string(), "2025-11-26");
        assert_eq!(start_of("2025-11-27".parse().unwrap()), "1764201600.000000");
        for other in ["", "x", "1.x", "99999999999999999999"] {
            assert_eq!(time_of(other), None, "{other}");
        }
    }
}
