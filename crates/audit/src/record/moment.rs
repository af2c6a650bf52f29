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
