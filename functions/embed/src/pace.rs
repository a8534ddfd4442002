//! How much time an invocation has, and how many tokens it can embed in it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The speed that is assumed before anything was measured: of a large model on a small function. What is embedded
/// first is stored soon, then, whatever the model.
const FIRST_TOKENS_PER_SECOND: f64 = 250.0;

/// For how many seconds of measurement the assumed speed counts.
const FIRST_SECONDS: f64 = 1.0;

/// After this many seconds in the model, a measurement counts half.
const HALF_LIFE_SECONDS: f64 = 30.0;

/// A model and its quantization.
type Encoder = (String, &'static str);

/// The speed of each model of this process: an average that forgets exponentially, since other work on the machine and
/// longer texts change it.
#[derive(Debug, Default)]
pub struct Pace {
    /// Tokens and seconds.
    measured: Mutex<HashMap<Encoder, (f64, f64)>>,
}

impl Pace {
    /// Returns about how many tokens the model embeds in this time; at least one.
    pub(crate) fn tokens_in(&self, (model, quantization): (&str, &'static str), time: Duration) -> u64 {
        let measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let known = measured.get(&(model.to_owned(), quantization));
        let speed = known.map_or(FIRST_TOKENS_PER_SECOND, |(tokens, seconds)| tokens / seconds);
        (speed * time.as_secs_f64()).max(1.0) as u64
    }

    /// Adds a measurement.
    pub(crate) fn record(&self, encoder: (&str, &'static str), embedded_tokens: u64, time: Duration) {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let first = (FIRST_TOKENS_PER_SECOND * FIRST_SECONDS, FIRST_SECONDS);
        let (tokens, seconds) = measured.entry((encoder.0.to_owned(), encoder.1)).or_insert(first);
        let kept = 0.5_f64.powf(time.as_secs_f64() / HALF_LIFE_SECONDS);
        *tokens = *tokens * kept + embedded_tokens as f64;
        *seconds = *seconds * kept + time.as_secs_f64();
    }
}

/// The longest turn: then the messages that are not embedded are handed back, and those that wait behind them, perhaps of
/// other users, have theirs.
const LONGEST: Duration = Duration::from_secs(20);

/// The share of an invocation's time that is kept for storing what is embedded, and its bounds.
const RESERVE_SHARE: u32 = 4;
const RESERVE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// No group is started with less time left.
const SHORTEST_GROUP: Duration = Duration::from_millis(500);

/// The time in which one invocation embeds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    end: Instant,
}

impl Turn {
    /// Starts a turn of an invocation that is stopped after this time.
    pub(crate) fn start(remaining: Duration) -> Self {
        let reserve = (remaining / RESERVE_SHARE).clamp(RESERVE.0, RESERVE.1);
        Self { end: Instant::now() + remaining.saturating_sub(reserve).min(LONGEST) }
    }

    /// Returns the time left; `None` if it is too short for a group.
    pub(crate) fn remaining(self) -> Option<Duration> {
        let remaining = self.end.saturating_duration_since(Instant::now());
        (remaining >= SHORTEST_GROUP).then_some(remaining)
    }

    /// Whether it is over.
    pub(crate) fn is_over(self) -> bool {
        Instant::now() >= self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: (&str, &str) = ("model", "int8");

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn the_first_group_is_small_and_the_next_as_large_as_the_model_is_fast() {
        let pace = Pace::default();
        assert_eq!(pace.tokens_in(MODEL, seconds(20.0)), 5000);
        pace.record(MODEL, 4000, seconds(1.0));
        let after = pace.tokens_in(MODEL, seconds(10.0));
        assert!((19_000..23_000).contains(&after), "{after}");
        assert_eq!(pace.tokens_in(("model", "float32"), seconds(1.0)), 250, "each graph has its own");
    }

    #[test]
    fn short_measurements_weigh_little_and_old_ones_are_forgotten() {
        let pace = Pace::default();
        pace.record(MODEL, 40_000, seconds(10.0));
        pace.record(MODEL, 3, seconds(0.1));
        assert!(pace.tokens_in(MODEL, seconds(1.0)) > 3300);
        for _ in 0..10 {
            pace.record(MODEL, 10_000, seconds(20.0));
        }
        let now = pace.tokens_in(MODEL, seconds(1.0));
        assert!((500..600).contains(&now), "{now}");
    }

    #[test]
    fn a_turn_ends_before_the_invocation_does() {
        let left = |total| Turn::start(seconds(total)).remaining().map_or(0.0, |left| left.as_secs_f64());
        assert!((14.9..=15.0).contains(&left(20.0)), "a quarter is kept for storing");
        assert!((19.9..=20.0).contains(&left(900.0)), "other messages get their turn");
        assert_eq!(left(1.2), 0.0);
        assert!(Turn::start(seconds(0.5)).is_over());
    }
}
