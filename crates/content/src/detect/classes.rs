//! The classes of values that are known without an operator's help.

/// A class of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassInfo {
    /// Name, as profiles and findings have it.
    pub name: &'static str,
    /// Family, which a profile may name in place of all its classes.
    pub family: &'static str,
    /// What it is, in one line.
    pub doc: &'static str,
    /// ISO 3166 country (lower case) of a national number; empty for everything else.
    pub country: &'static str,
}

/// Place of a class in [`CLASSES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Builtin(pub(crate) u8);

macro_rules! classes {
    ($($id:ident $name:literal $family:literal $country:literal $doc:literal;)*) => {
        /// All built-in classes.
        pub const CLASSES: &[ClassInfo] =
            &[$(ClassInfo { name: $name, family: $family, doc: $doc, country: $country }),*];

        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "only counts the classes")]
        #[repr(u8)]
        enum Order { $($id),* }

        impl Builtin {
            $(#[allow(dead_code, reason = "canaries come from exact sets")] pub(crate) const $id: Builtin = Builtin(Order::$id as u8);)*
        }
    };
}

classes! {
    PAN "pan" "card" "" "payment card number: length, issuer range and Luhn digit fit";
    IBAN "iban" "account" "" "international bank account number: length of its country and check digits fit";
    JWT "jwt" "secret" "" "JSON Web Token whose header reads";
    GITHUB_TOKEN "github_token" "secret" "" "GitHub token; the checksum fits where the format has one";
    GITLAB_TOKEN "gitlab_token" "secret" "" "GitLab token";
    AWS_ACCESS_KEY "aws_access_key" "secret" "" "AWS access key id";
    AWS_SECRET_KEY "aws_secret_key" "secret" "" "AWS secret access key near its keyword";
    SLACK_TOKEN "slack_token" "secret" "" "Slack token or webhook address";
    STRIPE_KEY "stripe_key" "secret" "" "Stripe live secret or restricted key";
    GOOGLE_API_KEY "google_api_key" "secret" "" "Google API key or OAuth client secret";
    OPENAI_KEY "openai_key" "secret" "" "OpenAI key";
    ANTHROPIC_KEY "anthropic_key" "secret" "" "Anthropic key";
    NPM_TOKEN "npm_token" "secret" "" "npm token; its checksum fits";
    PYPI_TOKEN "pypi_token" "secret" "" "PyPI upload token";
    SENDGRID_KEY "sendgrid_key" "secret" "" "SendGrid key";
    TWILIO_KEY "twilio_key" "secret" "" "Twilio API key or account SID near its keyword";
    AZURE_KEY "azure_key" "secret" "" "Azure storage, service bus or client key";
    VENDOR_TOKEN "vendor_token" "secret" "" "key of another vendor with a format of its own";
    PRIVATE_KEY "private_key" "secret" "" "private key in PEM armour";
    CONNECTION_STRING "connection_string" "secret" "" "address with user and password";
    GENERIC_SECRET "generic_secret" "secret" "" "value of high entropy beside a word like password or token";
    MRZ "mrz" "identity" "" "machine readable zone of a travel document; check digits fit";
    EMAIL "email" "contact" "" "e-mail address";
    PHONE "phone" "contact" "" "telephone number: international, or national of a region of the profile";
    IP "ip" "network" "" "IPv4 or IPv6 address";
    CANARY "canary" "canary" "" "planted value of the operator";
    US_SSN "us_ssn" "national_id" "us" "United States social security number";
    US_ITIN "us_itin" "national_id" "us" "United States taxpayer identification number";
    NL_BSN "nl_bsn" "national_id" "nl" "Dutch citizen service number";
    GB_NHS "gb_nhs" "national_id" "gb" "British NHS number";
    GB_NINO "gb_nino" "national_id" "gb" "British national insurance number";
    DE_STEUER_ID "de_steuer_id" "national_id" "de" "German tax identification number";
    FR_NIR "fr_nir" "national_id" "fr" "French social security number";
    ES_DNI "es_dni" "national_id" "es" "Spanish identity number, of citizens and of foreigners";
    IT_CF "it_cf" "national_id" "it" "Italian fiscal code";
    SE_PNR "se_pnr" "national_id" "se" "Swedish personal identity number";
    PL_PESEL "pl_pesel" "national_id" "pl" "Polish PESEL";
    BE_NRN "be_nrn" "national_id" "be" "Belgian national register number";
    DK_CPR "dk_cpr" "national_id" "dk" "Danish personal identification number";
    FI_HETU "fi_hetu" "national_id" "fi" "Finnish personal identity code";
    NO_FNR "no_fnr" "national_id" "no" "Norwegian national identity number";
    CH_AHV "ch_ahv" "national_id" "ch" "Swiss social security number";
    PT_NIF "pt_nif" "national_id" "pt" "Portuguese tax number";
    CA_SIN "ca_sin" "national_id" "ca" "Canadian social insurance number";
    AU_TFN "au_tfn" "national_id" "au" "Australian tax file number";
    SG_NRIC "sg_nric" "national_id" "sg" "Singaporean NRIC or FIN";
    IN_AADHAAR "in_aadhaar" "national_id" "in" "Indian Aadhaar number";
    BR_CPF "br_cpf" "national_id" "br" "Brazilian CPF";
    ZA_ID "za_id" "national_id" "za" "South African identity number";
    CN_ID "cn_id" "national_id" "cn" "Chinese resident identity number";
    KR_RRN "kr_rrn" "national_id" "kr" "South Korean resident registration number";
}

/// The built-in classes that `name` means: a class, a family, or `identity` for travel documents and national numbers.
/// Empty when it is none of these.
pub fn members(name: &str) -> impl Iterator<Item = &'static ClassInfo> {
    CLASSES.iter().filter(move |class| {
        class.name == name || class.family == name || (name == "identity" && class.family == "national_id")
    })
}

impl Builtin {
    /// What there is to know about it.
    pub(crate) fn info(self) -> Option<&'static ClassInfo> {
        CLASSES.get(usize::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_one_place_and_one_name() {
        assert_eq!(Builtin::PAN.info().map(|class| class.name), Some("pan"));
        assert_eq!(Builtin::KR_RRN.info().map(|class| class.name), Some("kr_rrn"));
        for class in CLASSES {
            assert_eq!(CLASSES.iter().filter(|other| other.name == class.name).count(), 1, "{}", class.name);
        }
    }

    #[test]
    fn a_family_means_all_its_classes() {
        assert_eq!(members("card").map(|class| class.name).collect::<Vec<_>>(), ["pan"]);
        assert!(members("secret").any(|class| class.name == "jwt"));
        assert!(members("identity").any(|class| class.name == "us_ssn"));
        assert_eq!(members("us_ssn").count(), 1);
        assert_eq!(members("secrets").count(), 0);
    }
}
