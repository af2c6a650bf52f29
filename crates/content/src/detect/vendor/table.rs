//! Keys whose vendors gave them a format: how they start, how they go on.

use crate::detect::classes::Builtin;

/// Which characters a key is made of behind its prefix.
#[derive(Debug, Clone, Copy)]
pub(super) enum Alphabet {
    /// Letters and digits.
    Base62,
    /// Letters, digits, `_` and `-`.
    Url,
    /// Upper-case letters and digits.
    Upper,
    /// Lower-case letters and digits.
    Lower,
    /// Lower-case hex.
    Hex,
}

impl Alphabet {
    pub(super) fn has(self, byte: u8) -> bool {
        match self {
            Alphabet::Base62 => byte.is_ascii_alphanumeric(),
            Alphabet::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Alphabet::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Alphabet::Lower => byte.is_ascii_lowercase() || byte.is_ascii_digit(),
            Alphabet::Hex => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
        }
    }
}

/// What else has to fit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Check {
    /// Random enough: bits per character, times ten.
    Entropy(u8),
    /// The last six characters are the CRC-32 of what is before them, behind the prefix, in base 62.
    Crc,
    /// One of these words stands near: the format alone is not telling.
    Near(&'static [&'static str]),
}

/// One format.
pub(super) struct Format {
    pub(super) class: Builtin,
    pub(super) prefix: &'static str,
    pub(super) alphabet: Alphabet,
    /// Characters behind the prefix.
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) check: Check,
}

const fn format(
    class: Builtin,
    prefix: &'static str,
    alphabet: Alphabet,
    least: usize,
    most: usize,
    check: Check,
) -> Format {
    Format { class, prefix, alphabet, least, most, check }
}

use Alphabet::{Base62, Hex, Lower, Upper, Url};
use Builtin as B;
use Check::{Crc, Entropy, Near};

/// All formats; of several whose prefix fits the first one counts whose rest fits too.
pub(super) const FORMATS: &[Format] = &[
    format(B::GITHUB_TOKEN, "ghp_", Base62, 36, 36, Crc),
    format(B::GITHUB_TOKEN, "gho_", Base62, 36, 36, Crc),
    format(B::GITHUB_TOKEN, "ghu_", Base62, 36, 36, Crc),
    format(B::GITHUB_TOKEN, "ghs_", Base62, 36, 36, Crc),
    format(B::GITHUB_TOKEN, "ghr_", Base62, 36, 76, Crc),
    format(B::GITHUB_TOKEN, "github_pat_", Url, 82, 82, Entropy(35)),
    format(B::GITLAB_TOKEN, "glpat-", Url, 20, 300, Entropy(30)),
    format(B::GITLAB_TOKEN, "GR1348941", Url, 20, 20, Entropy(30)),
    format(B::GITLAB_TOKEN, "gldt-", Url, 20, 64, Entropy(30)),
    format(B::GITLAB_TOKEN, "glrt-", Url, 20, 64, Entropy(30)),
    format(B::GITLAB_TOKEN, "glptt-", Hex, 40, 40, Entropy(30)),
    format(B::GITLAB_TOKEN, "glcbt-", Url, 20, 64, Entropy(30)),
    format(B::GITLAB_TOKEN, "gloas-", Url, 64, 64, Entropy(30)),
    format(B::GITLAB_TOKEN, "glsoat-", Url, 20, 64, Entropy(30)),
    format(B::GITLAB_TOKEN, "glft-", Url, 20, 64, Entropy(30)),
    format(B::AWS_ACCESS_KEY, "AKIA", Upper, 16, 16, Entropy(30)),
    format(B::AWS_ACCESS_KEY, "ASIA", Upper, 16, 16, Entropy(30)),
    format(B::AWS_ACCESS_KEY, "ABIA", Upper, 16, 16, Entropy(30)),
    format(B::AWS_ACCESS_KEY, "ACCA", Upper, 16, 16, Entropy(30)),
    format(B::SLACK_TOKEN, "xoxb-", Url, 20, 160, Entropy(30)),
    format(B::SLACK_TOKEN, "xoxp-", Url, 20, 160, Entropy(30)),
    format(B::SLACK_TOKEN, "xoxa-", Url, 20, 160, Entropy(30)),
    format(B::SLACK_TOKEN, "xoxr-", Url, 20, 160, Entropy(30)),
    format(B::SLACK_TOKEN, "xoxs-", Url, 20, 160, Entropy(30)),
    format(B::SLACK_TOKEN, "xoxe-", Url, 20, 260, Entropy(30)),
    format(B::SLACK_TOKEN, "xoxo-", Url, 20, 160, Entropy(30)),
    format(B::SLACK_TOKEN, "xapp-", Url, 20, 160, Entropy(30)),
    format(B::STRIPE_KEY, "sk_live_", Base62, 16, 247, Entropy(30)),
    format(B::STRIPE_KEY, "rk_live_", Base62, 16, 247, Entropy(30)),
    format(B::STRIPE_KEY, "sk_test_", Base62, 16, 247, Entropy(30)),
    format(B::STRIPE_KEY, "rk_test_", Base62, 16, 247, Entropy(30)),
    format(B::STRIPE_KEY, "whsec_", Base62, 32, 64, Entropy(30)),
    format(B::GOOGLE_API_KEY, "AIza", Url, 35, 35, Entropy(30)),
    format(B::GOOGLE_API_KEY, "GOCSPX-", Url, 28, 28, Entropy(30)),
    format(B::ANTHROPIC_KEY, "sk-ant-", Url, 80, 140, Entropy(35)),
    format(B::OPENAI_KEY, "sk-proj-", Url, 40, 200, Entropy(35)),
    format(B::OPENAI_KEY, "sk-svcacct-", Url, 40, 200, Entropy(35)),
    format(B::OPENAI_KEY, "sk-admin-", Url, 40, 200, Entropy(35)),
    format(B::VENDOR_TOKEN, "sk-or-v1-", Hex, 64, 64, Entropy(30)),
    format(B::OPENAI_KEY, "sk-", Base62, 48, 48, Entropy(35)),
    format(B::VENDOR_TOKEN, "sk-", Hex, 32, 32, Entropy(30)),
    format(B::NPM_TOKEN, "npm_", Base62, 36, 36, Crc),
    format(B::PYPI_TOKEN, "pypi-AgE", Url, 50, 1000, Entropy(30)),
    format(
        B::TWILIO_KEY,
        "SK",
        Hex,
        32,
        32,
        Near(&["twilio", "api key", "api_key", "apikey", "sid", "secret"]),
    ),
    format(
        B::TWILIO_KEY,
        "AC",
        Hex,
        32,
        32,
        Near(&["twilio", "account sid", "account_sid", "accountsid", "sid"]),
    ),
    format(B::VENDOR_TOKEN, "hf_", Base62, 34, 40, Entropy(35)),
    format(B::VENDOR_TOKEN, "dop_v1_", Hex, 64, 64, Entropy(30)),
    format(B::VENDOR_TOKEN, "doo_v1_", Hex, 64, 64, Entropy(30)),
    format(B::VENDOR_TOKEN, "dor_v1_", Hex, 64, 64, Entropy(30)),
    format(B::VENDOR_TOKEN, "shpat_", Hex, 32, 32, Entropy(25)),
    format(B::VENDOR_TOKEN, "shpss_", Hex, 32, 32, Entropy(25)),
    format(B::VENDOR_TOKEN, "shpca_", Hex, 32, 32, Entropy(25)),
    format(B::VENDOR_TOKEN, "shppa_", Hex, 32, 32, Entropy(25)),
    format(B::VENDOR_TOKEN, "sq0atp-", Url, 22, 22, Entropy(30)),
    format(B::VENDOR_TOKEN, "sq0csp-", Url, 43, 43, Entropy(30)),
    format(B::VENDOR_TOKEN, "EAAA", Url, 60, 60, Entropy(30)),
    format(B::VENDOR_TOKEN, "rubygems_", Hex, 48, 48, Entropy(30)),
    format(B::VENDOR_TOKEN, "lin_api_", Base62, 40, 40, Entropy(35)),
    format(B::VENDOR_TOKEN, "ntn_", Base62, 40, 60, Entropy(35)),
    format(B::VENDOR_TOKEN, "secret_", Base62, 43, 43, Entropy(35)),
    format(B::VENDOR_TOKEN, "figd_", Url, 36, 60, Entropy(35)),
    format(B::VENDOR_TOKEN, "PMAK-", Url, 59, 59, Entropy(30)),
    format(B::VENDOR_TOKEN, "glc_", Base62, 32, 400, Entropy(35)),
    format(B::VENDOR_TOKEN, "glsa_", Url, 41, 41, Entropy(30)),
    format(B::VENDOR_TOKEN, "hvs.", Url, 24, 200, Entropy(30)),
    format(B::VENDOR_TOKEN, "hvb.", Url, 100, 300, Entropy(30)),
    format(B::VENDOR_TOKEN, "dapi", Hex, 32, 32, Entropy(30)),
    format(B::VENDOR_TOKEN, "pul-", Hex, 40, 40, Entropy(30)),
    format(B::VENDOR_TOKEN, "sbp_", Hex, 40, 40, Entropy(30)),
    format(B::VENDOR_TOKEN, "key-", Hex, 32, 32, Entropy(30)),
    format(B::VENDOR_TOKEN, "xkeysib-", Url, 81, 81, Entropy(30)),
    format(B::VENDOR_TOKEN, "NRAK-", Upper, 27, 27, Entropy(30)),
    format(B::VENDOR_TOKEN, "NRII-", Url, 32, 32, Entropy(30)),
    format(B::VENDOR_TOKEN, "sntrys_", Base62, 60, 400, Entropy(35)),
    format(B::VENDOR_TOKEN, "sntryu_", Hex, 64, 64, Entropy(30)),
    format(B::VENDOR_TOKEN, "tskey-", Url, 20, 100, Entropy(30)),
    format(B::VENDOR_TOKEN, "pscale_", Url, 32, 80, Entropy(35)),
    format(B::VENDOR_TOKEN, "dckr_pat_", Url, 27, 36, Entropy(30)),
    format(B::VENDOR_TOKEN, "gsk_", Base62, 52, 52, Entropy(35)),
    format(B::VENDOR_TOKEN, "r8_", Base62, 37, 37, Entropy(35)),
    format(B::VENDOR_TOKEN, "AGE-SECRET-KEY-1", Upper, 58, 58, Entropy(30)),
    format(B::VENDOR_TOKEN, "fo1_", Url, 43, 43, Entropy(35)),
    format(B::VENDOR_TOKEN, "pnu_", Base62, 36, 36, Entropy(35)),
    format(B::VENDOR_TOKEN, "cio", Base62, 32, 32, Crc),
    format(B::VENDOR_TOKEN, "ATATT3", Url, 150, 220, Entropy(35)),
    format(B::VENDOR_TOKEN, "ya29", Url, 40, 400, Entropy(35)),
    format(B::VENDOR_TOKEN, "oy2", Lower, 43, 43, Entropy(30)),
    format(B::VENDOR_TOKEN, "LTAI", Base62, 12, 20, Entropy(30)),
    format(B::VENDOR_TOKEN, "AKCp", Base62, 60, 80, Entropy(35)),
    format(B::VENDOR_TOKEN, "pat-na1-", Url, 36, 36, Entropy(30)),
    format(B::VENDOR_TOKEN, "pplx-", Base62, 48, 56, Entropy(35)),
    format(B::VENDOR_TOKEN, "xai-", Base62, 70, 90, Entropy(35)),
    format(B::VENDOR_TOKEN, "shippo_live_", Hex, 40, 40, Entropy(30)),
    format(B::VENDOR_TOKEN, "flb_live_", Base62, 20, 30, Entropy(30)),
    format(B::VENDOR_TOKEN, "FLWSECK_TEST-", Hex, 12, 40, Entropy(25)),
    format(B::VENDOR_TOKEN, "duffel_live_", Url, 43, 43, Entropy(30)),
    format(B::VENDOR_TOKEN, "dp.pt.", Base62, 43, 43, Entropy(35)),
];
