//! When a delivery is attempted again.

use std::time::Duration;

use domain::WebhookDeliveryId;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// The time after each failed attempt: eight attempts in 24 hours.
const DELAYS: [u64; 7] =
    [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 8 * HOUR, 8 * HOUR + 24 * MINUTE];

/// The longest wait that a receiver can ask for.
const LONGEST: Duration = Duration::from_secs(12 * HOUR);

/// Returns how long to wait after this many attempts of a delivery; `None` after the last one.
///
/// Up to a tenth is added, by the delivery's ID: what failed together is not attempted together again.
pub(crate) fn delay_after(
    attempts: i32,
    id: WebhookDeliveryId,
    retry_after: Option<Duration>,
    factor: f64,
) -> Option<Duration> {
    let index = usize::try_from(attempts).ok()?.checked_sub(1)?;
    let delay = Duration::from_secs(*DELAYS.get(index)?).mul_f64(factor);
    let jitter = f64::from(id.0.as_bytes()[0]) / 2560.0;
    let delay = delay.mul_f64(1.0 + jitter);
    Some(retry_after.map_or(delay, |wanted| wanted.min(LONGEST).max(delay)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "00000000-0000-4000-8000-000000000000";

    fn delays(id: &str, factor: f64) -> Vec<Duration> {
        (1..).map_while(|attempts| delay_after(attempts, id.parse().unwrap(), None, factor)).collect()
    }

    #[test]
    fn a_delivery_is_attempted_for_a_day() {
        let delays = delays(HERE, 1.0);
        assert_eq!((delays.len(), delays[0]), (7, Duration::from_secs(60)));
        assert_eq!(delays.iter().sum::<Duration>(), Duration::from_secs(24 * HOUR));
        assert!(delays.windows(2).all(|pair| pair[0] < pair[1]), "{delays:?}");
    }

    #[test]
    fn deliveries_that_failed_together_are_not_attempted_together() {
        let other = delays("ff000000-0000-4000-8000-000000000000", 1.0);
        assert!(other[0] > Duration::from_secs(65) && other[0] < Duration::from_secs(67), "{other:?}");
    }

    #[test]
    fn a_receiver_can_ask_for_more_time_but_not_for_days() {
        let after = |seconds| {
            delay_after(1, HERE.parse().unwrap(), Some(Duration::from_secs(seconds)), 1.0).unwrap().as_secs()
        };
        assert_eq!([1, 90, 1_000_000].map(after), [60, 90, 12 * 3600]);
    }

    #[test]
    fn the_factor_makes_tests_fast() {
        assert_eq!(delays(HERE, 0.01)[0], Duration::from_millis(600));
    }
}
