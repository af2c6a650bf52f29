//! Numbers as they are written, compared exactly.

use std::cmp::Ordering;

/// A decimal number of any size: its digits, without zeros in front and behind, times a power of ten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

/// Exponents beyond this are taken for it: such a number is only ever very large or very small.
const FAR: i64 = 1 << 40;

impl Decimal {
    /// Reads a number of JSON; anything else is zero.
    pub(crate) fn read(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let negative = mantissa.starts_with('-');
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: String = whole.chars().chain(fraction.chars()).filter(char::is_ascii_digit).collect();
        let digits = all.trim_start_matches('0');
        let stripped = digits.trim_end_matches('0');
        if stripped.is_empty() {
            return Self { negative: false, digits: String::new(), exponent: 0 };
        }
        let far = if exponent.starts_with('-') { -FAR } else { FAR };
        let exponent = exponent.parse().unwrap_or(far).clamp(-FAR, FAR);
        let shift = digits.len() as i64 - stripped.len() as i64 - fraction.len() as i64;
        Self { negative, digits: stripped.to_owned(), exponent: exponent + shift }
    }

    pub(crate) fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    pub(crate) fn is_positive(&self) -> bool {
        !self.negative && !self.is_zero()
    }

    /// The number as a count; what is too large is the largest. `None` if it is negative or no integer.
    pub(crate) fn count(&self) -> Option<u64> {
        if self.negative || !self.is_integer() {
            return None;
        }
        if self.is_zero() {
            return Some(0);
        }
        let scale = u32::try_from(self.exponent).ok().and_then(|exponent| 10u64.checked_pow(exponent));
        let digits = self.digits.parse::<u64>().ok();
        Some(digits.zip(scale).and_then(|(digits, scale)| digits.checked_mul(scale)).unwrap_or(u64::MAX))
    }

    /// All digits of an integer, without its sign. `None` if it is none, or has more than `most` digits.
    pub(crate) fn integer(&self, most: usize) -> Option<String> {
        let zeros = usize::try_from(self.exponent).ok().filter(|zeros| *zeros <= most)?;
        (self.digits.len() + zeros <= most).then(|| format!("{}{}", self.digits, "0".repeat(zeros)))
    }

    /// One spelling for one number.
    pub(crate) fn write(&self, out: &mut String) {
        if self.negative {
            out.push('-');
        }
        out.push_str(if self.is_zero() { "0" } else { &self.digits });
        out.push('e');
        out.push_str(&self.exponent.to_string());
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        let point = |number: &Self| number.exponent + number.digits.len() as i64;
        // Without zeros behind, the order of the digits is the order of texts.
        point(self).cmp(&point(other)).then_with(|| self.digits.cmp(&other.digits))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

/// What numbers are multiples of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Divisor {
    digits: u64,
    exponent: i64,
}

impl Divisor {
    /// `None` unless the number is positive and has at most 18 digits.
    pub(crate) fn new(number: &Decimal) -> Option<Self> {
        let fits = number.is_positive() && number.digits.len() <= 18;
        let digits = number.digits.parse().ok().filter(|_| fits)?;
        Some(Self { digits, exponent: number.exponent })
    }

    pub(crate) fn divides(&self, number: &Decimal) -> bool {
        let shift = number.exponent - self.exponent;
        // The digits do not end in a zero, so ten divides them never.
        if number.is_zero() || shift < 0 {
            return number.is_zero();
        }
        let divisor = u128::from(self.digits);
        let digits = number.digits.bytes().map(|digit| u128::from(digit.wrapping_sub(b'0')));
        let rest = digits.fold(0, |rest, digit| (rest * 10 + digit) % divisor);
        (rest * power_of_ten(shift.unsigned_abs(), divisor)).is_multiple_of(divisor)
    }
}

fn power_of_ten(mut exponent: u64, divisor: u128) -> u128 {
    let (mut power, mut square) = (1 % divisor, 10 % divisor);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = power * square % divisor;
        }
        square = square * square % divisor;
        exponent >>= 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(a: &str, b: &str) -> Ordering {
        Decimal::read(a).cmp(&Decimal::read(b))
    }

    #[test]
    fn numbers_beyond_doubles_are_told_apart() {
        assert_eq!(order("9007199254740993", "9007199254740992"), Ordering::Greater);
        assert_eq!(order("1e400", "1e401"), Ordering::Less);
        assert_eq!(order("-1e400", "1"), Ordering::Less);
        assert_eq!(order("0.1000", "1e-1"), Ordering::Equal);
        assert_eq!(order("-0", "0.0e7"), Ordering::Equal);
        assert_eq!(order("12", "123"), Ordering::Less);
        assert_eq!(order("1e99999999999999999999", "2"), Ordering::Greater);
        assert_eq!(order("-1.5", "-1.25"), Ordering::Less);
    }

    #[test]
    fn multiples_are_exact() {
        let divides = |divisor: &str, number: &str| {
            Divisor::new(&Decimal::read(divisor)).unwrap().divides(&Decimal::read(number))
        };
        assert!(divides("0.01", "19.99"));
        assert!(divides("0.0001", "0.0075"));
        assert!(!divides("0.0001", "0.00751"));
        assert!(divides("1e-8", "12391239123"));
        assert!(divides("7", "49000000000000000000000000000000"));
        assert!(!divides("7", "49000000000000000000000000000001"));
        assert!(divides("123", "0"));
        assert!(divides("3", "3e308"));
        assert!(!divides("20", "30"));
        assert!(divides("20", "-40.0"));
        assert!(Divisor::new(&Decimal::read("0")).is_none());
        assert!(Divisor::new(&Decimal::read("-2")).is_none());
    }

    #[test]
    fn counts_saturate() {
        assert_eq!(Decimal::read("3.0").count(), Some(3));
        assert_eq!(Decimal::read("1e30").count(), Some(u64::MAX));
        assert_eq!(Decimal::read("-1").count(), None);
        assert_eq!(Decimal::read("0.5").count(), None);
        assert_eq!(Decimal::read("0").count(), Some(0));
    }
}
