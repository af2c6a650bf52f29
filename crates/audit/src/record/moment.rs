//! Moments: whole milliseconds, written in one way.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment between 1970 and 9999 in whole milliseconds. Its only text is RFC 3339 in UTC with three decimals:
/// `2026-11-21T14:30:00.123Z`.
///
/// Written by hand because a verifier should have little to trust, and because a text that may be written in several
/// ways would give one entry several hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

const DAY_MS: u64 = 86_400_000;

/// The last millisecond of the year 9999.
const LAST_MS: u64 = 253_402_300_799_999;

/// Bytes of the text.
const LENGTH: usize = 24;

impl Moment {
    /// The latest moment.
    pub const MAX: Self = Self(LAST_MS);

    /// A moment by its milliseconds since 1970; what is outside of the range becomes its nearest border.
    #[must_use]
    pub const fn from_unix_ms(ms: i64) -> Self {
        match ms {
            ..=0 => Self(0),
            _ if ms.unsigned_abs() > LAST_MS => Self(LAST_MS),
            _ => Self(ms.unsigned_abs()),
        }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        // At most LAST_MS, far below 2^63.
        self.0.cast_signed()
    }

    /// Reads the text; `None` for any other spelling, and for a day that no calendar has.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; LENGTH] = text.as_bytes().try_into().ok()?;
        let [
            y1,
            y2,
            y3,
            y4,
            b'-',
            mo1,
            mo2,
            b'-',
            d1,
            d2,
            b'T',
            h1,
            h2,
            b':',
            mi1,
            mi2,
            b':',
            s1,
            s2,
            b'.',
            f1,
            f2,
            f3,
            b'Z',
        ] = *bytes
        else {
            return None;
        };
        let year = number(&[y1, y2, y3, y4])?;
        let (month, day) = (number(&[mo1, mo2])?, number(&[d1, d2])?);
        let (hour, minute) = (number(&[h1, h2])?, number(&[mi1, mi2])?);
        let (second, ms) = (number(&[s1, s2])?, number(&[f1, f2, f3])?);
        if year < 1970 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = days_of(year, month, day)?;
        Some(Self(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + ms))
    }

    /// The text, without an allocation.
    fn text(self) -> [u8; LENGTH] {
        let (year, month, day) = civil(self.0 / DAY_MS);
        let ms = self.0 % DAY_MS;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let fields = [
            (3, 4, year),
            (6, 2, month),
            (9, 2, day),
            (12, 2, ms / 3_600_000),
            (15, 2, ms / 60_000 % 60),
            (18, 2, ms / 1000 % 60),
            (22, 3, ms % 1000),
        ];
        for (last, digits, mut value) in fields {
            for byte in text.iter_mut().take(last + 1).rev().take(digits) {
                *byte = b'0' + (value % 10).to_le_bytes()[0];
                value /= 10;
            }
        }
        text
    }
}

/// The decimal number that the digits are.
fn number(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(*digit - b'0')))
}

const DAYS_BEFORE: [u64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days from 1970 to the first of January of a year.
fn days_before(year: u64) -> u64 {
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400;
    (year - 1970) * 365 + leap_days - 477
}

/// Days of a year before a month (1 to 12; 13: all of them).
fn days_before_month(year: u64, month: u64) -> u64 {
    let days = usize::try_from(month - 1).ok().and_then(|at| DAYS_BEFORE.get(at)).copied().unwrap_or(365);
    days + u64::from(month > 2 && is_leap(year))
}

/// Days since 1970 of a date, if there is such a day.
fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let (before, next) = (days_before_month(year, month), days_before_month(year, month + 1));
    (1..=next - before).contains(&day).then(|| days_before(year) + before + day - 1)
}

/// Year, month and day of a number of days since 1970.
fn civil(days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366;
    while days_before(year + 1) <= days {
        year += 1;
    }
    let of_year = days - days_before(year);
    let mut month = 1 + of_year / 32;
    while days_before_month(year, month + 1) <= of_year {
        month += 1;
    }
    (year, month, of_year - days_before_month(year, month) + 1)
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("a moment is written as 2026-11-21T14:30:00.123Z"))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn by_jiff(ms: i64) -> String {
        format!("{:.3}", Timestamp::from_millisecond(ms).unwrap())
    }

    #[test]
    fn a_moment_outside_of_its_range_is_the_nearest_border() {
        assert_eq!(Moment::from_unix_ms(-1).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Moment::from_unix_ms(i64::MIN).unix_ms(), 0);
        assert_eq!(Moment::from_unix_ms(i64::MAX), Moment::MAX);
        assert_eq!(Moment::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_day_is_written_and_read_as_a_calendar_has_it() {
        // Without the last day of all, which jiff does not have.
        for day in 0..LAST_MS / DAY_MS {
            let ms = (day * DAY_MS + day * 7919 % DAY_MS).cast_signed();
            let text = Moment::from_unix_ms(ms).to_string();
            assert_eq!(text, by_jiff(ms));
            assert_eq!(Moment::parse(&text).map(Moment::unix_ms), Some(ms));
        }
    }

    #[test]
    fn a_moment_has_one_spelling() {
        for text in [
            "",
            "2026-11-21T14:30:00Z",
            "2026-11-21T14:30:00.12Z",
            "2026-11-21T14:30:00.1234Z",
            "2026-11-21t14:30:00.123Z",
            "2026-11-21T14:30:00.123z",
            "2026-11-21 14:30:00.123Z",
            "2026-11-21T14:30:00,123Z",
            "2026-11-21T14:30:00.123+00:00",
            "2026-11-21T14:30:60.123Z",
            "2026-11-21T24:00:00.000Z",
            "2026-02-29T00:00:00.000Z",
            "2100-02-29T00:00:00.000Z",
            "2026-04-31T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "+026-11-21T14:30:00.123Z",
            "2026-11-21T14:30:00.１Z",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
        assert!(Moment::parse("2000-02-29T00:00:00.000Z").is_some());
    }

    proptest! {
        #[test]
        fn a_changed_text_is_another_moment_or_none(ms in 0..=LAST_MS.cast_signed(), at in 0..LENGTH, byte in b' '..=b'~') {
            let text = Moment::from_unix_ms(ms).to_string();
            let mut bytes = text.clone().into_bytes();
            bytes[at] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            if let Some(moment) = Moment::parse(&changed) {
                prop_assert_eq!(moment.to_string(), changed);
            }
        }
    }
}
